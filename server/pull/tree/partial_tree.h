// The tree of a pull that is not done: what is finished of it, as nodes, for a checkpoint
// (docs/formats/snapshot.md).
//
// Finished directories as they are; of the others the subdirectories and entries that are finished, the
// beginning of a long file that is being read, and what an earlier checkpoint had of what this pull has not
// come to yet.  Only chunks of complete batches are named (I2).  The pull goes on undisturbed.
#pragma once

#include "server/pull/tree/content_intake.h"
#include "server/pull/tree/held.h"
#include "server/store/store.h"
#include "server/store/tree.h"

#include <map>
#include <memory>
#include <vector>

namespace bk::pull {

class PartialTree {
 public:
  PartialTree(store::Store& store, store::Writer& writer, const Held& held, const ContentIntake& content)
      : store_(store), writer_(writer), held_(held), content_(content) {}
  // The root, with node and has_subdirectories; `open` as WalkIntake has them.
  [[nodiscard]] Entry build(const std::vector<std::unique_ptr<HeldDirectory>>& open);

 private:
  void add_left();
  [[nodiscard]] Entry left_same(const HeldDirectory& directory);
  [[nodiscard]] Entry left_wanted(const HeldDirectory& directory);
  [[nodiscard]] Entry still_open(const HeldDirectory& directory);
  [[nodiscard]] std::vector<Entry> take_made(const HeldDirectory& directory);
  [[nodiscard]] std::optional<Entry> as_far(const HeldPage& page, std::size_t index) const;

  store::Store& store_;
  store::Writer& writer_;
  const Held& held_;
  const ContentIntake& content_;
  // Unfinished directories that are made already, by the directory that they lie in, in name order.
  std::map<const HeldDirectory*, std::vector<Entry>> made_;
  std::map<const HeldDirectory*, std::vector<const HeldPage*>> pages_;
};

}  // namespace bk::pull
