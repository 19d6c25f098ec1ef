#include "common/seccomp/seccomp.h"

#include "common/error/error.h"
#include "common/handle/handle.h"
#include "common/io/file.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>

namespace bk {
namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr bool kTraced = true;  // the leak check stops our own threads by ptrace
#else
constexpr bool kTraced = false;
#endif

constexpr const char* kNever[] = {
    "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd", "process_madvise",
    // mounts, roots, namespaces
    "mount", "umount", "umount2", "pivot_root", "chroot", "fsopen", "fsmount", "fsconfig", "fspick",
    "move_mount", "open_tree", "mount_setattr", "unshare", "setns",
    // code in the kernel
    "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "bpf",
    // keys, events, rings, faults
    "add_key", "request_key", "keyctl", "perf_event_open", "io_uring_setup", "io_uring_enter",
    "io_uring_register", "userfaultfd", "fanotify_init", "lookup_dcookie",
    // the machine
    "reboot", "swapon", "swapoff", "acct", "quotactl", "quotactl_fd", "syslog", "vhangup", "iopl", "ioperm",
    "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname", "setdomainname",
    "open_by_handle_at", "name_to_handle_at", "nfsservctl", "move_pages", "migrate_pages"};

constexpr std::uint64_t kNamespaces =
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

using Filter = Handle<void, seccomp_release>;

void check(int rc, const char* doing) {
  if (rc < 0) throw sys_error(-rc, std::string("making a filter of system calls: ") + doing);
}

// A call that this libseccomp, or this machine, does not know is none that could be made.
void refuse(const Filter& filter, const char* name) {
  const int number = seccomp_syscall_resolve_name(name);
  if (number < 0) return;
  check(seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), number, 0), name);
}

void refuse_namespaces(const Filter& filter) {
  for (std::uint64_t bit = 1; bit <= kNamespaces; bit <<= 1U) {
    if ((kNamespaces & bit) == 0) continue;
    check(seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                           SCMP_A0(SCMP_CMP_MASKED_EQ, bit, bit)),
          "clone");
  }
  check(seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0), "clone3");
}

// Everything below, between and above the families that are allowed.
void refuse_sockets(const Filter& filter, std::vector<int> families) {
  std::sort(families.begin(), families.end());
  const auto rule = [&](const auto&... conditions) {
    check(seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), sizeof...(conditions),
                           conditions...),
          "socket");
  };
  if (families.empty()) return rule();
  for (int family = 0; family < AF_MAX; ++family) {
    if (!std::binary_search(families.begin(), families.end(), family))
      rule(SCMP_A0_32(SCMP_CMP_EQ, static_cast<std::uint32_t>(family)));
  }
  rule(SCMP_A0_32(SCMP_CMP_GE, static_cast<std::uint32_t>(AF_MAX)));
}

Filter make(const CallRules& rules) {
  Filter filter(seccomp_init(SCMP_ACT_ALLOW));
  if (!filter) throw sys_error(ENOMEM, "making a filter of system calls");
  check(seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2), "order");
  for (const char* name : kNever) refuse(filter, name);
  if (!kTraced) refuse(filter, "ptrace");
  refuse_namespaces(filter);
  if (rules.programs == Programs::None) {
    refuse(filter, "execve");
    refuse(filter, "execveat");
  }
  refuse_sockets(filter, rules.families);
  return filter;
}

}  // namespace

CallFilter::CallFilter(const CallRules& rules) {
  const Filter filter = make(rules);
  const Fd file(check_sys(::memfd_create("calls", MFD_CLOEXEC), [] { return "making a memory file"; }));
  check(seccomp_export_bpf(filter.get(), file.get()), "writing it");
  check_sys(::lseek(file.get(), 0, SEEK_SET), [] { return "reading a memory file"; });
  const std::string bytes = read_rest(file.get());
  program_.resize(bytes.size() / sizeof(sock_filter));
  std::memcpy(program_.data(), bytes.data(), program_.size() * sizeof(sock_filter));
}

CallFilter::~CallFilter() = default;

int CallFilter::enter() const noexcept {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -1;
  // The kernel only reads it.
  const sock_fprog program{static_cast<unsigned short>(program_.size()),
                           const_cast<sock_filter*>(program_.data())};
  return static_cast<int>(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
}

}  // namespace bk
