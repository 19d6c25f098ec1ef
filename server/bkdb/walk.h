// Walks a snapshot's tree in name order, directories first entered and later left, with an explicit stack.
//
// Memory: one page of each directory on the way down.  With `parts`, only what they need is read: a directory
// on the way to a part is searched for the next name, not listed.
#pragma once

#include "common/error/error.h"
#include "server/store/store.h"

#include <string>
#include <vector>

namespace bk::bkdb {

class Visitor {
 public:
  virtual ~Visitor() = default;
  // Paths are relative to the root, which itself has the empty path.
  // False: what is below is left out, and leave() is not called.
  virtual bool enter(const std::string& path, const Entry& directory) = 0;
  virtual void leave(const std::string& path, const Entry& directory) = 0;
  virtual void entry(const std::string& path, const Entry& entry) = 0;  // no directory
  // A directory whose entries cannot be read (further): the walk goes on behind it.
  virtual void damaged(const std::string& path, const Error& error) = 0;
};

// `parts` are clean relative paths; none means everything, and so does an empty one.  Returns those that do
// not exist in the tree.
std::vector<std::string> walk(store::Store& store, const Entry& root, const std::vector<std::string>& parts,
                              Visitor& visitor);

// The part that a user means by `word` within the source `name`: an absolute path at or below the source, or
// a path relative to it.  Nothing when it is neither ("..", or an absolute path elsewhere).
[[nodiscard]] std::optional<std::string> part_of(const std::string& word, const std::string& name);

// The entry at a relative path, without following symlinks.  Throws Corrupt.
[[nodiscard]] std::optional<Entry> find_entry(store::Store& store, const Entry& root,
                                              const std::string& path);

}  // namespace bk::bkdb
