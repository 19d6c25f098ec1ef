// Directories of the previous snapshot by their inode: a renamed or moved directory is found again.
//
// A rename changes neither a directory's inode nor anything in the entries below it.  So a directory without
// an old counterpart is compared with the one that had its inode; what is compared is the same as ever
// (listing digest, then size, times and inode of each file), so an inode that was reused costs nothing but
// the look-up.
//
// The old tree is read at the first look-up, and of it only directories with subdirectories: what is needed
// of any other stands in its parent.  Memory: one page a level, and a map that spills.
#pragma once

#include "common/spill/disk_map.h"
#include "common/tree/entry.h"
#include "server/store/store.h"

#include <optional>

namespace bk::pull {

class MovedDirectories {
 public:
  MovedDirectories(store::Store& store, std::optional<Entry> old_root);
  // The old entry of the directory that had this inode, wherever it was: node, listing, has_subdirectories,
  // unreadable and what was looked for are set, nothing else.
  [[nodiscard]] std::optional<Entry> find(std::uint64_t device, std::uint64_t inode);

 private:
  void collect();
  store::Store& store_;
  std::optional<Entry> old_root_;
  DiskMap known_;
};

}  // namespace bk::pull
