#include "common/process/landlock.h"

#include "common/error/error.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

#ifndef LANDLOCK_ACCESS_FS_REFER  // headers older than Linux 5.19
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE  // headers older than Linux 6.2
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

namespace bk {
namespace {

constexpr std::uint64_t kReadFile = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE;
constexpr std::uint64_t kRead = kReadFile | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t kWriteFile = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE;
constexpr std::uint64_t kWrite = kWriteFile | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                                 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                                 LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER;
// Handled, and given to nobody.
constexpr std::uint64_t kNever = LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
                                 LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO;

long abi_version() {
  return ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

std::uint64_t supported() {
  const std::uint64_t all = kRead | kWrite | kNever;
  return abi_version() >= 3 ? all : all & ~static_cast<std::uint64_t>(LANDLOCK_ACCESS_FS_TRUNCATE);
}

void add(int ruleset, const std::string& path, bool write) {
  const Fd target(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!target) {
    if (errno == ENOENT || errno == ENOTDIR || errno == EACCES) return;
    throw sys_error(errno, "confining to " + quoted(path));
  }
  struct stat info {};
  check_sys(::fstat(target.get(), &info), [&] { return "confining to " + quoted(path); });
  const bool folder = S_ISDIR(info.st_mode);
  std::uint64_t access = folder ? kRead : kReadFile;
  if (write) access |= folder ? kWrite : kWriteFile;
  landlock_path_beneath_attr rule{};
  rule.allowed_access = access & supported();
  rule.parent_fd = target.get();
  check_sys(::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0),
            [&] { return "confining to " + quoted(path); });
}

}  // namespace

bool Landlock::is_available() { return abi_version() >= 2; }

Landlock::Landlock(const LandlockRules& rules) {
  landlock_ruleset_attr attributes{};
  attributes.handled_access_fs = supported();
  const long fd = ::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
  ruleset_ = Fd(static_cast<int>(check_sys(fd, [] { return "preparing Landlock"; })));
  for (const std::string& path : rules.read) add(ruleset_.get(), path, false);
  for (const std::string& path : rules.read_write) add(ruleset_.get(), path, true);
}

int Landlock::enforce() const noexcept {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -1;
  return static_cast<int>(::syscall(SYS_landlock_restrict_self, ruleset_.get(), 0));
}

LandlockRules system_rules() {
  return {{"/usr", "/lib", "/lib64", "/bin", "/sbin", "/proc", "/dev/urandom", "/etc/ld.so.cache",
           "/etc/ld.so.preload", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/localtime"},
          {"/dev/null"}};
}

}  // namespace bk
