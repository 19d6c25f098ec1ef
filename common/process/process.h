// Running other programs: argv only, never a shell; a clean environment; a deadline for everything.
#pragma once

#include "common/io/fd.h"

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace bk {

struct Command {
  std::vector<std::string> argv;         // argv[0] is an absolute path, or a name looked up in kSystemPath
  std::vector<std::string> environment;  // "NAME=value"; nothing else is inherited.  See base_environment().
  std::string directory;                 // working directory; empty: "/"
  int stdin_fd = -1;                     // -1: /dev/null
  int stdout_fd = -1;                    // -1: /dev/null; run_captured sets its own
  int stderr_fd = -1;                    // -1: /dev/null
  // Runs in the child between fork and exec (Landlock, descriptors to keep).  Only async-signal-safe work;
  // nonzero refuses.
  std::function<int()> before_exec;
};

inline constexpr const char* kSystemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// PATH, LC_ALL=C.UTF-8, HOME, and nothing else.
[[nodiscard]] std::vector<std::string> base_environment(const std::string& home);

// A running child in its own process group.  The destructor kills the group and reaps.
class Child {
 public:
  Child(Child&&) noexcept;
  Child& operator=(Child&&) noexcept;
  ~Child();
  [[nodiscard]] pid_t pid() const { return pid_; }
  // Exit status as a shell shows it: 0..255, or 128 + signal.  Waits.
  [[nodiscard]] int wait();
  // Nothing while it still runs after `limit`.
  [[nodiscard]] std::optional<int> wait_for(std::chrono::milliseconds limit);
  // TERM to the group, KILL after `grace`, then reaps.
  void stop(std::chrono::milliseconds grace = std::chrono::seconds(5));

 private:
  friend Child start(const Command& command);
  explicit Child(pid_t pid) : pid_(pid) {}
  [[nodiscard]] bool ended_within(std::chrono::milliseconds limit) const;
  pid_t pid_ = -1;
  std::optional<int> status_;
};

// Throws Io when the program cannot be started (missing, not executable): that is known before start()
// returns.
[[nodiscard]] Child start(const Command& command);

struct Captured {
  int status = 0;  // as Child::wait
  bool timed_out = false;
  std::string out;  // at most `limit_bytes` of each; the rest is read and dropped
  std::string err;
};
[[nodiscard]] Captured run_captured(Command command, std::chrono::milliseconds deadline,
                                    std::size_t limit_bytes = 1U << 20U, std::string_view input = {});

// Becomes the command (execve): the same process, its standard input, output and error, and every descriptor
// without O_CLOEXEC.  The descriptors and before_exec of `command` are not used.  Throws Io.
[[noreturn]] void replace_process(const Command& command);

}  // namespace bk
