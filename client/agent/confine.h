// Landlock: what a program that we start may touch, enforced by the kernel whatever the program does.
//
// Everything that Landlock governs is forbidden except what is allowed here: reading below the given paths,
// running the given programs and libraries, /dev/null.  Writing, making, removing, renaming, TCP, signals to
// and abstract sockets of processes outside are not allowed at all (as far as the kernel's Landlock knows
// them).  Looking at names' attributes (stat) is not governed by Landlock.
#pragma once

#include "common/io/fd.h"

#include <string>
#include <vector>

namespace bk::agent {

// 0 when the kernel has no Landlock or it is switched off.
[[nodiscard]] int landlock_version();

class Confinement {
 public:
  // Throws Refused when there is no Landlock.
  Confinement();
  // Reading what `path` is, a file or a folder with all below.  Opened without following any symlink, so that
  // what is allowed is what was judged; throws Io.
  void allow_reading(const std::string& path);
  // Reading and running; symlinks are followed and a missing path is fine (system folders differ).
  void allow_system(const std::string& path);
  // Reading, making, writing and removing files and folders below the folder `path`; symlinks on the way to
  // it are followed.  A folder that cannot be opened is left out.
  void allow_writing(const std::string& path);
  // The shared libraries of the system, /dev/null.
  void allow_libraries();
  // For Command::before_exec: confines the calling thread, and all it starts, for ever.  Async-signal-safe;
  // 0 or -1 with errno.
  [[nodiscard]] int enter() const noexcept;

 private:
  void allow(const Fd& fd, unsigned long long rights, const std::string& path);
  Fd ruleset_;
  unsigned long long handled_ = 0;
};

}  // namespace bk::agent
