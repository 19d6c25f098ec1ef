// Programs that cmds run, whose output is what is backed up: started without a shell, ended with the cmd, and
// believed only when they end with status 0.
//
// Secrets never stand in argv or in the environment: a file of mode 0600 (require_secret_file) whose name the
// program takes, or its standard input.
#pragma once

#include "common/process/process.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace bk::client {

struct ChildOutput {
  std::vector<std::string> argv;
  std::vector<std::string> environment;  // beside base_environment(home)
  std::string home;
  int stdin_fd = -1;                      // -1: /dev/null
  std::chrono::seconds limit{6 * 3600L};  // the whole run
  std::chrono::seconds quiet{0};          // of run_to_sink: no output for this long ends it; 0: no limit
  // Words of the program's complaint that mean something better: "access denied" …; what to do about it.
  // Called with its last lines; empty: no advice.
  std::function<std::string(std::string_view complaint)> advice;
};

// Runs it; its standard output becomes the new file `path` (0600).  Returns its length.  Throws Io, or
// Transient when the time is over; the message holds program, status and the last lines of its complaint.
// Then the file is not whole.
std::uint64_t run_to_file(const ChildOutput& child, const std::string& path);
// Runs it; each piece of its output goes to `sink`, whose exception ends the program, too.
void run_to_sink(const ChildOutput& child, const std::function<void(std::string_view)>& sink);
// Runs it; what it prints, at most `limit_bytes`, above that: throws Io.
[[nodiscard]] std::string run_to_text(const ChildOutput& child, std::size_t limit_bytes = 16U << 20U);

// The first of these programs that is installed, in the system's folders.  Throws Config, which names them
// and the Debian package that they are in.
[[nodiscard]] std::string installed_program(std::initializer_list<std::string_view> names,
                                            std::string_view package);

// Up to `size` bytes from a file's end.
[[nodiscard]] std::string tail_of(const std::string& path, std::uint64_t size);
// The file's last line that is not empty begins with `mark`; up to `behind` lines may follow it.  Else throws
// Io: it was cut.
void require_end(const std::string& path, std::string_view mark, int behind = 0);

// Checks a file that holds a secret: a regular file that belongs to this user or root, readable by nobody
// else.  Throws Config, which says what to do.
void require_secret_file(const std::string& path, std::string_view key);

}  // namespace bk::client
