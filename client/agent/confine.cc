#include "client/agent/confine.h"

#include "common/error/error.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/openat2.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdint>

namespace bk::agent {
namespace {

// The kernel's structure as of version 6; Debian 12's header knows version 2.  Older kernels take the part
// they know, which is why the size is chosen by version.
struct RulesetAttributes {
  std::uint64_t handled_access_fs = 0;
  std::uint64_t handled_access_net = 0;  // version 4
  std::uint64_t scoped = 0;              // version 6
};

constexpr std::uint64_t kFsVersion1 = (1ULL << 13U) - 1;  // EXECUTE … MAKE_SYM
constexpr std::uint64_t kRefer = 1ULL << 13U;             // version 2
constexpr std::uint64_t kTruncate = 1ULL << 14U;          // version 3
constexpr std::uint64_t kIoctlDevice = 1ULL << 15U;       // version 5
constexpr std::uint64_t kNetTcp = 3;                      // bind, connect
constexpr std::uint64_t kScopes = 3;                      // abstract sockets, signals

constexpr std::uint64_t kReadFile = LANDLOCK_ACCESS_FS_READ_FILE;
constexpr std::uint64_t kRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t kWrite = kRead | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |
                                 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | kTruncate;
constexpr std::uint64_t kRun = kRead | LANDLOCK_ACCESS_FS_EXECUTE;

std::uint64_t fs_rights(int version) {
  std::uint64_t out = kFsVersion1;
  if (version >= 2) out |= kRefer;
  if (version >= 3) out |= kTruncate;
  if (version >= 5) out |= kIoctlDevice;
  return out;
}

bool is_folder(const Fd& fd) {
  struct stat info {};
  return ::fstat(fd.get(), &info) == 0 && S_ISDIR(info.st_mode);
}

}  // namespace

int landlock_version() {
  const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return version < 0 ? 0 : static_cast<int>(version);
}

Confinement::Confinement() {
  const int version = landlock_version();
  if (version == 0)
    throw Error(
        Kind::Refused,
        "this kernel has no Landlock, so git and sftp are not served; [consent.SERVER] unconfined = true "
        "in backupconfig.toml serves them without");
  RulesetAttributes attributes;
  attributes.handled_access_fs = handled_ = fs_rights(version);
  std::size_t size = sizeof attributes.handled_access_fs;
  if (version >= 4) {
    attributes.handled_access_net = kNetTcp;
    size += sizeof attributes.handled_access_net;
  }
  if (version >= 6) {
    attributes.scoped = kScopes;
    size += sizeof attributes.scoped;
  }
  ruleset_ = Fd(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, size, 0)));
  if (!ruleset_) throw sys_error(errno, "making a Landlock ruleset");
}

void Confinement::allow(const Fd& fd, unsigned long long rights, const std::string& path) {
  landlock_path_beneath_attr rule{};
  // Rights that only folders have are an error on a file.
  rule.allowed_access = rights & handled_;
  if (!is_folder(fd)) rule.allowed_access &= ~static_cast<std::uint64_t>(LANDLOCK_ACCESS_FS_READ_DIR);
  rule.parent_fd = fd.get();
  if (::syscall(SYS_landlock_add_rule, ruleset_.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
    throw sys_error(errno, "allowing " + quoted(path));
}

void Confinement::allow_reading(const std::string& path) {
  open_how how{};
  how.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const Fd fd(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how)));
  if (!fd) throw sys_error(errno, "opening " + quoted(path));
  // O_PATH opens a symlink at the end of the path itself.
  struct stat info {};
  if (::fstat(fd.get(), &info) < 0 || S_ISLNK(info.st_mode))
    throw sys_error(ELOOP, "opening " + quoted(path));
  allow(fd, is_folder(fd) ? kRead : kReadFile, path);
}

void Confinement::allow_system(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (fd) allow(fd, kRun, path);
}

void Confinement::allow_writing(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (fd) allow(fd, kWrite, path);
}

void Confinement::allow_libraries() {
  for (const char* path : {"/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64",
                           "/usr/local/lib", "/usr/libexec", "/etc/ld.so.cache"})
    allow_system(path);
  const Fd null(::open("/dev/null", O_PATH | O_CLOEXEC));
  if (null) allow(null, kReadFile | LANDLOCK_ACCESS_FS_WRITE_FILE, "/dev/null");
}

int Confinement::enter() const noexcept {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -1;
  return static_cast<int>(::syscall(SYS_landlock_restrict_self, ruleset_.get(), 0));
}

}  // namespace bk::agent
