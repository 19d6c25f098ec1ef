// What has to stay: everything that snapshots, checkpoints and writers at work lead to.
//
// What snapshots lead to is counted (counting.h), and only brought up to date; what counts do not tell is
// walked each time.  Memory is bounded by constants: nodes seen lie in a DiskMap, keys go through an external
// sorter.  Errors: Refused for anything that cannot be read or parsed: then nobody knows what has to stay,
// and nothing may go.
#pragma once

#include "common/spill/sorter.h"
#include "server/store/store_impl.h"

#include <cstdint>
#include <map>
#include <string>

namespace bk::store {

// The journal lines of each client that a clean has seen: what was removed behind them still leads.
using SeenLines = std::map<std::string, std::uint64_t>;

// Every client's journal, snapshots and checkpoints, whole and known; else throws Refused.  Returns how many
// lines each journal has.
[[nodiscard]] SeenLines check_roots(StoreImpl& store);

// Brings every client's counts to these lines; `anew`: whatever there was.
void count_all(StoreImpl& store, const SeenLines& seen, bool anew);

// Keys are of 16 bytes, sorted, maybe several times each.

// What counts at these lines do not tell: below snapshots behind them, checkpoints, and what living writers
// have pinned; and below all snapshots of a client that has no such counts.  `verify`: counts have to be read
// first, whether they are what was written; else that was done just now.
[[nodiscard]] SortedRecords beside_counts(StoreImpl& store, const SeenLines& seen, bool verify);
// That, and everything that is counted.
[[nodiscard]] SortedRecords all_needed(StoreImpl& store, const SeenLines& seen);
// What a client's counts came to name no more since cleans dealt with such keys, and of that what is needed
// all the same.
struct Unnamed {
  SortedRecords keys, needed;
};
[[nodiscard]] Unnamed unnamed_keys(StoreImpl& store, const SeenLines& seen);

}  // namespace bk::store
