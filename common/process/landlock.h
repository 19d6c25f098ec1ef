// Confining a process to named folders with Landlock (Linux 5.19 or newer for what git needs; Debian 12
// has 6.1).
//
// The rules are opened beforehand, in the parent; enforce() only makes two system calls, so that it may run
// between fork and exec.  What is confined stays so through exec, for all descendants.
#pragma once

#include "common/io/fd.h"

#include <string>
#include <vector>

namespace bk {

struct LandlockRules {
  std::vector<std::string> read;        // files and folders: read, list, execute
  std::vector<std::string> read_write;  // folders and files: everything but device nodes
};

class Landlock {
 public:
  // False on a kernel without it, or with a version that cannot let a program rename between folders.
  [[nodiscard]] static bool is_available();
  // Paths that do not exist are left out.  Throws Io.
  explicit Landlock(const LandlockRules& rules);
  // For this thread and everything it starts, for ever.  0, or -1 with errno.  Async-signal-safe.
  [[nodiscard]] int enforce() const noexcept;

 private:
  Fd ruleset_;
};

// What a dynamically linked program needs to start: libraries, /etc/passwd and the like, /dev/null.  No
// secrets: not /etc as a whole.
[[nodiscard]] LandlockRules system_rules();

}  // namespace bk
