// Sources and their snapshots as bkdb numbers and names them.  Pure.
#pragma once

#include "server/store/snapshot.h"

#include <string>
#include <vector>

namespace bk::bkdb {

// What a place or --client and --method leave visible; empty means any.
struct Filter {
  std::string client, method;
  std::string module = {};
};

struct Source {
  std::string client, module, method, name;
  std::vector<store::SnapshotRecord> snapshots;  // oldest first
  // 16 hex digits that name the source for ever, whatever other sources come and go: the beginning of SHA-256
  // over client, module, method and name, each followed by a NUL.
  [[nodiscard]] std::string id() const;
};

// Groups snapshots into sources, sorted by path bytes, then method, client, module; the position in the
// result is the number that `ls` shows (so it depends on the filter).
[[nodiscard]] std::vector<Source> group_sources(std::vector<store::SnapshotRecord> snapshots,
                                                const Filter& filter);

[[nodiscard]] std::string source_id(const std::string& client, const std::string& module,
                                    const std::string& method, const std::string& name);

// Whether the snapshot's content differs from the next older one of its source; the oldest is a change
// (F004-9).  Decided by the root entries' content, not by times.
[[nodiscard]] bool has_change(const Source& source, std::size_t at);

// "<idx>_<YYYYMMDDThhmmss>Z_<12 hex of the snapshot id>".
[[nodiscard]] std::string entry_name(std::size_t index, const store::SnapshotRecord& snapshot);

// A path for people: as it is when it is printable UTF-8 on one line, else quoted with escapes.
[[nodiscard]] std::string shown_path(std::string_view path);

}  // namespace bk::bkdb
