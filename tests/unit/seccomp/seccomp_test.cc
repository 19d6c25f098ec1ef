// Each refused call is tried in a child that entered the filter.
#include "common/seccomp/seccomp.h"

#include "common/process/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <string>
#include <thread>

namespace bk {
namespace {

constexpr int kEnterFailed = 100, kWorked = 101;

// What errno a call leaves in a child with this filter; kWorked when it succeeds.
int errno_of(const CallRules& rules, const std::function<long()>& call) {
  const CallFilter filter(rules);
  const pid_t child = ::fork();
  if (child == 0) {
    if (filter.enter() != 0) ::_exit(kEnterFailed);
    ::_exit(call() < 0 ? errno : kWorked);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int errno_of(const std::function<long()>& call) { return errno_of({}, call); }

TEST(Seccomp, WhatNoProcessOfOursNeedsIsRefused) {
  struct Tried {
    const char* name;
    std::function<long()> call;
  };
  const Tried tried[] = {
#ifndef __SANITIZE_ADDRESS__
      {"ptrace", [] { return ::syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0); }},
#endif
      {"process_vm_readv", [] { return ::syscall(SYS_process_vm_readv, ::getppid(), 0, 0, 0, 0, 0); }},
      {"process_vm_writev", [] { return ::syscall(SYS_process_vm_writev, ::getppid(), 0, 0, 0, 0, 0); }},
      {"mount", [] { return ::syscall(SYS_mount, "x", "/x", "tmpfs", 0, 0); }},
      {"umount2", [] { return ::syscall(SYS_umount2, "/nonexistent", 0); }},
      {"pivot_root", [] { return ::syscall(SYS_pivot_root, "/x", "/x"); }},
      {"bpf", [] { return ::syscall(SYS_bpf, 0, 0, 0); }},
      {"keyctl", [] { return ::syscall(SYS_keyctl, 0, -3, 0, 0, 0); }},
      {"add_key", [] { return ::syscall(SYS_add_key, "user", "x", "y", 1, -2); }},
      {"perf_event_open", [] { return ::syscall(SYS_perf_event_open, 0, 0, -1, -1, 0); }},
      {"io_uring_setup", [] { return ::syscall(SYS_io_uring_setup, 0, 0); }},
      {"userfaultfd", [] { return ::syscall(SYS_userfaultfd, 1); }},
      {"kexec_load", [] { return ::syscall(SYS_kexec_load, 0, 0, 0, 0xffffffff); }},
      {"init_module", [] { return ::syscall(SYS_init_module, 0, 0, 0); }},
      {"finit_module", [] { return ::syscall(SYS_finit_module, -1, "", 0); }},
      {"delete_module", [] { return ::syscall(SYS_delete_module, "nonexistent", 0); }},
      {"unshare", [] { return ::syscall(SYS_unshare, CLONE_NEWUSER); }},
      {"unshare of nothing", [] { return ::syscall(SYS_unshare, 0); }},
      {"setns", [] { return ::syscall(SYS_setns, -1, 0); }},
      {"clone with a namespace", [] { return ::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0); }},
      {"open_by_handle_at", [] { return ::syscall(SYS_open_by_handle_at, -1, 0, 0); }},
      {"execve", [] { return ::syscall(SYS_execve, "/nonexistent", 0, 0); }},
      {"execveat", [] { return ::syscall(SYS_execveat, -1, "", 0, 0, 0); }},
  };
  for (const Tried& one : tried) EXPECT_EQ(errno_of(one.call), EPERM) << one.name;
}

TEST(Seccomp, AProgramIsStartedOnlyWhereThatIsAllowed) {
  const auto run = [] {
    const char* const argv[] = {"true", nullptr};
    return ::syscall(SYS_execve, "/bin/true", argv, nullptr);
  };
  EXPECT_EQ(errno_of(run), EPERM);
  EXPECT_EQ(errno_of({Programs::MayStart, {}}, run), 0);
}

TEST(Seccomp, SocketsAreOfTheFamiliesThatAreNeeded) {
  const auto make = [](int family) {
    return [family] { return static_cast<long>(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)); };
  };
  for (const int family : {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_ALG, 40, 100000, -1})
    EXPECT_EQ(errno_of(make(family)), EPERM) << family;
  EXPECT_EQ(errno_of({Programs::None, {AF_UNIX}}, make(AF_UNIX)), kWorked);
  EXPECT_EQ(errno_of({Programs::None, {AF_UNIX}}, make(AF_INET)), EPERM);
  EXPECT_EQ(errno_of({Programs::None, {AF_INET, AF_UNIX}}, make(AF_INET)), kWorked);
  EXPECT_EQ(errno_of({Programs::None, {AF_INET, AF_UNIX}}, make(AF_PACKET)), EPERM);
}

TEST(Seccomp, ThreadsAndOrdinaryChildrenStillWork) {
  EXPECT_EQ(errno_of([] {
              bool ran = false;
              std::thread([&] { ran = true; }).join();
              const pid_t child = ::fork();
              if (child == 0) ::_exit(7);
              int status = 0;
              (void)::waitpid(child, &status, 0);
              return ran && WEXITSTATUS(status) == 7 ? 0L : -1L;
            }),
            kWorked);
}

TEST(Seccomp, WhatIsStartedHasTheSameFilter) {
  const CallFilter filter({Programs::MayStart, {AF_UNIX}});
  Command command;
  command.argv = {"python3", "-c", "import socket; socket.socket(socket.AF_INET)"};
  command.environment = base_environment("/nonexistent");
  command.before_exec = [&] { return filter.enter(); };
  const Captured result = run_captured(command, std::chrono::seconds(60));
  EXPECT_NE(result.err.find("Operation not permitted"), std::string::npos) << result.err;
  EXPECT_NE(result.status, 0);
}

}  // namespace
}  // namespace bk
