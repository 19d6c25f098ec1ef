// Counting what one client occupies (usage_ledger.h).
#pragma once

#include "server/store/store_impl.h"

#include <cstdint>
#include <string>

namespace bk::store {

// The bytes that the client's snapshots and checkpoints lead to.  Reads every node once, and of groups only
// the heads, in the order of the disk; memory is bounded by constants.  What cannot be read counts nothing.
[[nodiscard]] std::uint64_t needed_bytes(StoreImpl& store, const std::string& client);

// Counts what this client occupies, and keeps the number from now on.
void count_usage(StoreImpl& store, const std::string& client);
// Counts anew for all clients of which it is kept.
void count_usages(StoreImpl& store);

// There when what a refused backup had stored was given up since the last clean.
[[nodiscard]] inline std::string given_up_file(const Layout& layout) { return layout.index + "/given-up"; }

}  // namespace bk::store
