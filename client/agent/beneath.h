// Opening below a directory descriptor, so that no symlink and no ".." ever leads outside.
#pragma once

#include "common/io/fd.h"

#include <sys/stat.h>

#include <string_view>

namespace bk::agent {

// Opens `relative` (components separated by '/', of any length, PATH_MAX does not matter; "" is the directory
// itself) below `root`.  No component may be a symlink or leave `root`.  An empty Fd and errno when that is
// not possible (ELOOP: a symlink; EXDEV: outside).
[[nodiscard]] Fd open_beneath(int root, std::string_view relative, int flags);

// Opens the entry `name` of an open directory as a directory; as open_beneath.
[[nodiscard]] Fd open_subdirectory(int parent, const char* name);

// Which directory an open one is, so that another one at its path can be told from it.
struct DirectoryId {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const DirectoryId&) const = default;
};
// Opens the directory `path` below `root` as open_beneath, when it still is that one.  Otherwise (two
// directories were exchanged) an empty Fd and ESTALE.
[[nodiscard]] Fd open_same_directory(int root, std::string_view path, const DirectoryId& id);

// Opens the absolute directory `path`, of which no component may be a symlink.
[[nodiscard]] Fd open_root(std::string_view path);

// Opens the entry `name` for reading when it is a regular file, fills `facts`.  A FIFO or device swapped in
// does not block and is not opened for long.  An empty Fd and errno otherwise; ENOTSUP means: not a regular
// file any more.
[[nodiscard]] Fd open_regular(int parent, const char* name, struct stat& facts);

// True when errno says that the entry is not there (any more), or is something else now.
[[nodiscard]] bool means_vanished(int error);

}  // namespace bk::agent
