// System calls that do what a test wants just before they are made, by the thread that asked for it: so two
// processes can be made to meet between any two calls.  Each hook is given the file's path, and is asked no
// more once it has returned true.
#pragma once

#include <sys/types.h>

#include <cerrno>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

namespace bk::store::test {

using CallHook = std::function<bool(const std::string& path)>;
extern thread_local CallHook before_flock;    // the path of the open file
extern thread_local CallHook before_rename;   // the new path
extern thread_local CallHook before_fsync;    // the path of the open file or folder
extern thread_local CallHook before_statvfs;  // the path asked about

// A disk with bad sectors, for all threads: changed while nobody reads.
struct BadDisk {
  using Range = std::pair<std::uint64_t, std::uint64_t>;
  std::map<ino_t, Range> sectors;     // of a file, wherever it is moved, from and to: reading them fails
  std::map<std::string, int> closed;  // files that cannot be opened, and the errno
  std::string read_only;              // a folder below which nothing may be written
  int code = EIO;
  unsigned failures = 0;  // calls that failed
  void damage(const std::string& path, std::uint64_t from, std::uint64_t to);
  void good() { *this = {}; }
};
extern BadDisk bad_disk;

}  // namespace bk::store::test
