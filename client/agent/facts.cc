#include "client/agent/facts.h"

#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace bk::agent {

namespace {

constexpr long kMqueueMagic = 0x19800202;
constexpr long kConfigfsMagic = 0x62656570;
constexpr long kFusectlMagic = 0x65735543;
constexpr long kRpcPipefsMagic = 0x67596969;

bool is_pseudo(int fd) {
  struct statfs facts {};
  if (fstatfs(fd, &facts) != 0) return false;
  constexpr std::array<long, 15> kTypes{
      PROC_SUPER_MAGIC, SYSFS_MAGIC,      CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC,
      TRACEFS_MAGIC,    SECURITYFS_MAGIC, DEVPTS_SUPER_MAGIC, BPF_FS_MAGIC,        PSTOREFS_MAGIC,
      BINFMTFS_MAGIC,   kMqueueMagic,     kConfigfsMagic,     kFusectlMagic,       kRpcPipefsMagic};
  return std::find(kTypes.begin(), kTypes.end(), static_cast<long>(facts.f_type)) != kTypes.end();
}

// The attribute calls for a descriptor, or for a path whose last component is not followed.
struct ByFd {
  int fd;
  ssize_t list(char* buffer, std::size_t size) const { return flistxattr(fd, buffer, size); }
  ssize_t get(const char* name, char* buffer, std::size_t size) const {
    return fgetxattr(fd, name, buffer, size);
  }
};
struct ByPath {
  std::string path;
  ssize_t list(char* buffer, std::size_t size) const { return llistxattr(path.c_str(), buffer, size); }
  ssize_t get(const char* name, char* buffer, std::size_t size) const {
    return lgetxattr(path.c_str(), name, buffer, size);
  }
};

constexpr std::size_t kKernelLimit = 65536;  // XATTR_LIST_MAX and XATTR_SIZE_MAX

template <class Source>
XattrResult collect(const Source& source) {
  static thread_local std::string names(kKernelLimit, '\0'), value(kKernelLimit, '\0');
  XattrResult result;
  const ssize_t listed = source.list(names.data(), names.size());
  if (listed < 0) {
    if (errno != ENOTSUP && !(errno == EACCES || errno == EPERM)) result.error = errno;
    return result;
  }
  std::size_t room = pull::kMaxXattrBytes;
  for (const char* name = names.data(); name < names.data() + listed;
       name += std::string_view(name).size() + 1) {
    const ssize_t size = source.get(name, value.data(), value.size());
    if (size < 0 && errno == ENODATA) continue;  // removed meanwhile
    if (size < 0 || static_cast<std::size_t>(size) > room || result.xattrs.size() == pull::kMaxXattrs) {
      if (result.error == 0) result.error = size < 0 ? errno : E2BIG;
      continue;
    }
    room -= static_cast<std::size_t>(size);
    result.xattrs.push_back({name, value.substr(0, static_cast<std::size_t>(size))});
  }
  std::sort(result.xattrs.begin(), result.xattrs.end(),
            [](const Xattr& a, const Xattr& b) { return a.name < b.name; });
  return result;
}

Timestamp to_timestamp(const timespec& time) {
  return {time.tv_sec, static_cast<std::uint32_t>(time.tv_nsec)};
}

}  // namespace

const Devices::Device& Devices::of_directory(dev_t device, int fd) {
  const auto [at, is_new] = known_.try_emplace(device);
  if (is_new) at->second = {known_.size() - 1, is_pseudo(fd)};
  return at->second;
}

std::uint64_t Devices::ordinal(dev_t device) {
  return known_.try_emplace(device, Device{known_.size(), false}).first->second.ordinal;
}

pull::Stat to_stat(const struct stat& facts, std::uint64_t device) {
  pull::Stat stat;
  stat.mode = facts.st_mode & 07777U;
  stat.uid = facts.st_uid;
  stat.gid = facts.st_gid;
  if (S_ISREG(facts.st_mode) || S_ISLNK(facts.st_mode)) stat.size = static_cast<std::uint64_t>(facts.st_size);
  stat.mtime = to_timestamp(facts.st_mtim);
  stat.ctime = to_timestamp(facts.st_ctim);
  stat.device = device;
  stat.inode = facts.st_ino;
  stat.links = S_ISDIR(facts.st_mode) ? 1 : facts.st_nlink;
  return stat;
}

bool fill_entry(Entry& entry, const struct stat& facts, std::uint64_t device) {
  const auto type = entry_type(facts.st_mode);
  if (!type) return false;
  entry.type = *type;
  pull::set_stat(entry, to_stat(facts, device));
  entry.rdev_major = entry.rdev_minor = 0;
  if (S_ISCHR(facts.st_mode) || S_ISBLK(facts.st_mode)) {
    entry.rdev_major = major(facts.st_rdev);
    entry.rdev_minor = minor(facts.st_rdev);
  }
  return true;
}

XattrResult read_xattrs(int fd) { return collect(ByFd{fd}); }

XattrResult read_xattrs_at(int directory, const std::string& name) {
  // The directory by its descriptor, the last component by name and never followed.
  return collect(ByPath{fmt::format("/proc/self/fd/{}/{}", directory, name)});
}

std::string read_link_at(int directory, const std::string& name) {
  std::string target(pull::kMaxTargetBytes + 1, '\0');
  const ssize_t size = readlinkat(directory, name.c_str(), target.data(), target.size());
  target.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  return target;
}

}  // namespace bk::agent
