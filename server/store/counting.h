// Bringing the counts of a client (counts.h) to where its journal is; internal to server/store.
//
// A snapshot that came is walked down to what had a count already, one that went down to what keeps one: so
// it costs what came and what goes, and not what stays.  A count that is too high keeps garbage, one that is
// too low loses data: so nothing is believed that is not exactly what was written, and whatever does not fit
// throws the counts away and counts all snapshots anew.
#pragma once

#include "server/store/counts.h"
#include "server/store/store_impl.h"

#include <cstdint>
#include <optional>
#include <string>

namespace bk::store {

// What there is of a client's counts, when it is exactly what was written, of this journal, and of no line
// behind that one.  Reads all of it.
[[nodiscard]] std::optional<Counts> usable_counts(StoreImpl& store, const std::string& client,
                                                  std::uint64_t line);

// The client's counts at that line of its journal, published.  `anew`: whatever there was.  Throws Corrupt or
// Protocol naming the snapshot of which something cannot be read.
[[nodiscard]] Counts count_to(StoreImpl& store, const std::string& client, std::uint64_t line, bool anew);

// A clean has dealt with what was not named any more; `swept`: and with all that never was.
void settle_counts(StoreImpl& store, const std::string& client, bool swept);

}  // namespace bk::store
