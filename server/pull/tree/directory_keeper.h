// Stores directories as soon as everything in them is known and stored (I2: chunks before the node that names
// them, children before their parent).
#pragma once

#include "server/pull/tree/held.h"
#include "server/pull/tree/link_table.h"
#include "server/store/store.h"

#include <optional>

namespace bk::pull {

class DirectoryKeeper {
 public:
  DirectoryKeeper(store::Store& store, store::Writer& writer, Held& held, LinkTable& links);
  // Stores what can be stored now that `complete_batches` batches are.
  void advance(std::uint64_t complete_batches);
  // The root's entry, once it is stored.
  [[nodiscard]] std::optional<Entry>& root() { return root_; }
  [[nodiscard]] std::uint64_t directories() const { return directories_; }

 private:
  void store_page(HeldPage& page);
  // `linked`: the content was taken from another name, nothing to remember.
  [[nodiscard]] bool lost_attributes(const HeldDirectory& directory, const Entry& entry) const;
  void store_entry(HeldDirectory& directory, const Entry& entry, bool linked);
  void add_children_before(HeldDirectory& directory, std::string_view name);
  void keep_same(HeldDirectory& directory);
  void rewrite_old(HeldDirectory& directory);
  void finish_wanted(HeldDirectory& directory);
  void hand_over(HeldDirectory& directory, const ChunkId& node, bool has_subdirectories,
                 const Digest& listing);

  store::Store& store_;
  store::Writer& writer_;
  Held& held_;
  LinkTable& links_;
  std::optional<Entry> root_;
  std::uint64_t directories_ = 0;
};

}  // namespace bk::pull
