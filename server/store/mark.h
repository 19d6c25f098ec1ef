// What has to stay: everything that snapshots, checkpoints and writers at work lead to.
//
// Memory is bounded by constants: nodes seen lie in a DiskMap, keys go through an external sorter.  Errors:
// Refused for anything that cannot be read or parsed: then nobody knows what has to stay, and nothing may go.
#pragma once

#include "common/spill/sorter.h"
#include "server/store/store_impl.h"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace bk::store {

// The journal lines of each client that a clean has seen: what was removed behind them still leads.
using SeenLines = std::map<std::string, std::uint64_t>;

// Every client's journal, snapshots and checkpoints, whole and known; else throws Refused.  Returns how many
// lines each journal has.
[[nodiscard]] SeenLines check_roots(StoreImpl& store);

struct Marked {
  SortedRecords keys;           // of 16 bytes, sorted, maybe several times each
  std::uint64_t snapshots = 0;  // that lead
};
// Snapshots that were not removed within the lines that `seen` tells, all checkpoints, and what living
// writers have pinned.
[[nodiscard]] Marked mark(StoreImpl& store, const SeenLines& seen);

}  // namespace bk::store
