// System calls that a process of ours gives up for ever, for itself and all that it starts: what code that a
// peer took over would use to look into other processes, to leave its confinement, or to reach the parts of
// the kernel that break most often.  A refused call fails with EPERM.  Beside Landlock (files) this is the
// second fence: it knows calls, not paths.
//
// Refused always: looking into and steering other processes (ptrace, process_vm_*, kcmp, pidfd_getfd), mounts
// and roots, namespaces (unshare, setns, clone with a namespace; clone3 says ENOSYS, its flags cannot be
// seen), kernel code (modules, kexec, bpf), keys, perf events, io_uring, userfaultfd, clocks, swap, reboot,
// raw ports, file handles.  What else goes is the caller's choice.
#pragma once

#include "common/io/fd.h"

#include <vector>

struct sock_filter;

namespace bk {

enum class Programs { MayStart, None };  // execve, execveat

struct CallRules {
  Programs programs = Programs::None;
  std::vector<int> families{};  // of sockets that may be made (AF_UNIX, …); none: no sockets at all
};

class CallFilter {
 public:
  // Throws Io when the filter cannot be made.
  explicit CallFilter(const CallRules& rules);
  ~CallFilter();
  CallFilter(const CallFilter&) = delete;
  CallFilter& operator=(const CallFilter&) = delete;
  // No new privileges, then the filter, for this thread and everything it starts.  Async-signal-safe, for
  // Command::before_exec; 0, or -1 with errno.
  [[nodiscard]] int enter() const noexcept;

 private:
  std::vector<sock_filter> program_;
};

}  // namespace bk
