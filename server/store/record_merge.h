// A pack or journal put together from two copies of it, each damaged somewhere else; internal to
// server/store.
//
// A record stands at the same offset in a journal, in the pack that it becomes and in every copy of either,
// and its digests cover that place.  So a stretch of one file that is damaged may be filled with the records
// of the other that fit into it exactly.
#pragma once

#include "common/storage/storage.h"
#include "server/store/record.h"

namespace bk::store {

enum class MergeEnd {
  Open,    // of a journal: ends with the last whole record that either has
  Sealed,  // of a pack: ends with its seal, or, when it never had one, with one made here
};
// A stretch that cannot be read counts as damaged.
// Writes the whole file to `into`, an empty file that stays the caller's; unsynced.  False when `own` has no
// damaged stretch, or one that `other` cannot fill; what was written is of no use then.  Throws Io.
[[nodiscard]] bool merge_records(ObjectReader& own, ObjectReader& other, const PackRef& pack, MergeEnd end,
                                 int into);

}  // namespace bk::store
