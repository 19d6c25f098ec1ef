// Signalling a process that is known only by a lock that it holds.
#pragma once

#include "common/io/fd.h"

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>

namespace bk {

// Takes a POSIX record lock on the whole file, which this process holds until it ends or closes any
// descriptor of the file; kept through exec, inherited by no child.  False when another process holds it.
[[nodiscard]] bool hold_record_lock(int fd);

// The process that holds the record lock, as the kernel says; nothing when nobody does.
[[nodiscard]] std::optional<pid_t> holder_of(int fd);

// The holder of a record lock, by a pidfd that was opened while it held it.
class Proven {
 public:
  // `fd` is the locked file, which is kept open.  Nothing when nobody holds it, or the caller does not see
  // the holder.
  [[nodiscard]] static std::optional<Proven> holder(Fd fd);

  [[nodiscard]] pid_t pid() const { return pid_; }
  // To its process group when it leads one, else to the process alone; never to anything when it has ended.
  void signal(int number) const;
  // False when it still runs at the deadline.
  [[nodiscard]] bool ends_by(std::chrono::steady_clock::time_point deadline) const;

 private:
  Proven(Fd file, Fd process, pid_t pid) : file_(std::move(file)), process_(std::move(process)), pid_(pid) {}
  Fd file_, process_;
  pid_t pid_ = -1;
};

// When the process was started, in ticks since the machine was; nothing when it cannot be seen.
struct ProcessFacts {
  std::string name;  // of the program, as the kernel cut it
  pid_t parent = 0;
  std::uint64_t started_ticks = 0;
};
[[nodiscard]] std::optional<ProcessFacts> facts_of(pid_t pid);
// Now, on the same scale.
[[nodiscard]] std::uint64_t now_ticks();
// Changes with every start of the machine; empty when it cannot be read.
[[nodiscard]] std::string boot_id();

}  // namespace bk
