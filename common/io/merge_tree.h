// One tree made equal to another while what is the same in both stays the very same file: its inode and its
// ctime do not change, so whoever knew it need not read it again.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace bk {

struct MergeRules {
  // Whether an entry of the old tree that the new one does not have stays, by its path below the root;
  // for a folder: with all that lies in it.  Nothing: none stays.
  std::function<bool(std::string_view relative)> stays;
  // False: times do not make a difference, as with a dump that was written again.  True: equal files with
  // another modification time are replaced, and folders get the new one's times.
  bool times = false;
};

// Moves the entries of `from` into `into`, a folder of the same file system, and removes what is only there.
// Files with equal bytes, owner and mode, and equal symlinks, stay as they are.  `from` is gone afterwards.
// Nobody else may change either tree.  What a crash leaves is a mix, and merging again mends it.  Durable
// when it returns.  Throws Io.
void merge_tree(const std::string& from, const std::string& into, const MergeRules& rules);

}  // namespace bk
