// Taking snapshots away, and keeping them from it: what `rm`, `hold`, `release` and `keep` share.
#pragma once

#include "server/bkdb/commands.h"
#include "server/store/snapshot_mark.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace bk::bkdb {

// What the words (data_idx, datetime_range) and --source select, by source and time.  Nobody means everything
// by saying nothing: neither words nor --source throws Usage.  Throws NotFound when nothing is selected, or
// --source names none.
[[nodiscard]] std::vector<store::SnapshotRecord> chosen_snapshots(Session& session, const Words& words,
                                                                  Session::Default without_range);

// --expect N; throws Usage when it is no number.
[[nodiscard]] std::optional<std::uint64_t> expected_count(const Options& options);

// Who asked (the login name, or the user's number), when (now), and --reason.
[[nodiscard]] store::MarkTemplate mark_template(const Options& options, store::MarkKind kind);

// The holds in force of all clients of these records, by snapshot.
[[nodiscard]] std::map<std::string, store::SnapshotMark> holds_of(
    store::Store& store, const std::vector<store::SnapshotRecord>& records);

// Marks all of them, client by client, oldest first; a removal also takes them out of catalog and views.
// Durable on return; when killed, the rest can be removed by the same command.
void mark_all(Session& session, const std::vector<store::SnapshotRecord>& records,
              const store::MarkTemplate& what);

// "web1, directories, rsync: /srv/wiki".
[[nodiscard]] std::string shown_source(const store::SnapshotRecord& record);

}  // namespace bk::bkdb
