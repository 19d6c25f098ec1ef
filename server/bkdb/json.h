// The machine-readable forms: one JSON object a line, UTF-8, keys in alphabetical order.
//
// Every path comes twice: `path` in percent form (text/escape.h), which is always printable and reversible,
// and `path_b64`, the same bytes in URL-safe base64.  Times are exact ("2013-09-05T01:35:30.123456789Z").
#pragma once

#include "server/bkdb/layout.h"
#include "server/bkdb/verify.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace bk::bkdb {

// `ls`: {"base_path", "sources": [{"index", "id", "client", …, "selected", "snapshots": […]}],
// "used_bytes": {CLIENT: …}}
[[nodiscard]] std::string ls_json(const std::vector<Source>& sources, const std::vector<Selected>& selected,
                                  const std::string& base_path,
                                  const std::map<std::string, std::uint64_t>& used);
// `files` and `find`: one entry of one snapshot.
[[nodiscard]] std::string entry_json(const Source& source, std::size_t index,
                                     const store::SnapshotRecord& snapshot, const std::string& path,
                                     const Entry& entry);
// `verify`: one damaged path, and the totals at the end.
[[nodiscard]] std::string problem_json(const store::SnapshotRecord& snapshot, const std::string& path,
                                       const Reason& reason);
[[nodiscard]] std::string totals_json(const VerifyTotals& totals, std::uint64_t problems);
// `export`: one entry made.
[[nodiscard]] std::string exported_json(std::size_t index, const store::SnapshotRecord& snapshot,
                                        const std::string& entry);
// `keep --pretend`: one snapshot, and why it stays; no reason: it goes.
[[nodiscard]] std::string kept_json(const store::SnapshotRecord& snapshot,
                                    const std::vector<std::string>& reasons);
// `stats`: numbers by name.
[[nodiscard]] std::string numbers_json(const std::vector<std::pair<std::string, std::uint64_t>>& numbers);

}  // namespace bk::bkdb
