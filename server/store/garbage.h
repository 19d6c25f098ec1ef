// What the index knows and nothing needs; internal to server/store.
//
// Two ways to find it.  What counts have come to name no more since the last clean: costs what goes.  And
// everything that the index knows beside everything that is needed: reads both, and also finds what never was
// named, such as what a refused backup left.
#pragma once

#include "common/spill/sorter.h"
#include "server/store/mark.h"
#include "server/store/store_impl.h"

#include <cstdint>
#include <set>

namespace bk::store {

// Sorted keys, maybe several times each, that are asked for in rising order.
class RisingKeys {
 public:
  explicit RisingKeys(SortedRecords* records);  // null: none
  [[nodiscard]] bool contains(const Key& key);

 private:
  SortedRecords* records_;
};

struct Garbage {
  SortedRecords keys;
  std::uint64_t chunks = 0;                 // so many keys
  std::set<std::uint64_t> packs, journals;  // that hold some
};
[[nodiscard]] Garbage find_garbage(StoreImpl& store, SortedRecords& needed);
[[nodiscard]] Garbage find_garbage(StoreImpl& store, Unnamed& unnamed);

// How many chunks the index knows, one that stands in several places as often.
[[nodiscard]] std::uint64_t known_chunks(StoreImpl& store);

// Whether it is time for the second way: the last cleans have not compared everything, or more chunks came
// than were counted.
//
//   index/cleaned   text "bk-cleaned 1": known and counted (chunks, when the last clean ended), since (cleans
//                   that have not compared everything)
class SweepDue {
 public:
  SweepDue(StoreImpl& store, const SeenLines& seen);
  [[nodiscard]] bool due() const;
  // A clean has ended.
  static void note(StoreImpl& store, const SeenLines& seen, bool swept);

 private:
  std::uint64_t known_ = 0, counted_ = 0, unnamed_ = 0;
  bool swept_ = true;  // all counts
  std::string path_;
};

}  // namespace bk::store
