#include "common/restore/metadata.h"

#include "common/error/error.h"
#include "common/io/fd.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <system_error>

namespace bk {
namespace {

std::string reason(int code) { return std::generic_category().message(code); }

constexpr std::uint32_t kPrivilegeBits = S_ISUID | S_ISGID;

// False when the owner is not the recorded one; then privilege bits would hand somebody else's rights around.
bool set_owner(const std::function<int(uid_t, gid_t)>& chown_to, const Entry& entry, RestoreReport& report,
               const std::string& shown) {
  if (chown_to(entry.uid, entry.gid) == 0) return true;
  const int code = errno;
  // A plain user may still give a file to another of his groups.
  const bool group_set = chown_to(static_cast<uid_t>(-1), entry.gid) == 0;
  report.add(group_set ? "owner not set" : "owner and group not set", reason(code), shown);
  return false;
}

void set_xattrs(const std::function<int(const Xattr&)>& set, const Entry& entry, RestoreReport& report,
                const std::string& shown) {
  for (const Xattr& attribute : entry.xattrs)
    if (set(attribute) != 0) {
      const int code = errno;
      report.add("attribute " + quoted(attribute.name) + " not set", reason(code), shown);
    }
}

std::uint32_t allowed_mode(const Entry& entry, bool owner_set, RestoreReport& report,
                           const std::string& shown) {
  if (owner_set || (entry.mode & kPrivilegeBits) == 0) return entry.mode;
  report.add("setuid and setgid bits not set", "the owner could not be set", shown);
  return entry.mode & ~kPrivilegeBits;
}

// The kernel silently clamps what the file system cannot hold, so unusual times are read back.
void check_time(int directory_fd, const char* name, const Entry& entry, RestoreReport& report,
                const std::string& shown) {
  constexpr std::int64_t kUsual = INT32_MAX;
  if (entry.mtime.seconds >= 0 && entry.mtime.seconds < kUsual) return;
  struct stat st {};
  if (::fstatat(directory_fd, name, &st, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) == 0 &&
      st.st_mtim.tv_sec == entry.mtime.seconds)
    return;
  report.add("time not kept", "this file system cannot hold it", shown);
}

void times_of(const Entry& entry, timespec (&times)[2]) {
  times[0] = {0, UTIME_OMIT};
  times[1] = {entry.mtime.seconds, static_cast<long>(entry.mtime.nanoseconds)};
}

// A path that leads to exactly what `fd` (O_PATH) holds, for calls that have no descriptor form.
std::string by_descriptor(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

}  // namespace

void set_metadata(int fd, const Entry& entry, RestoreReport& report, const std::string& shown) {
  const bool owner_set =
      set_owner([&](uid_t uid, gid_t gid) { return ::fchown(fd, uid, gid); }, entry, report, shown);
  set_xattrs(
      [&](const Xattr& a) { return ::fsetxattr(fd, a.name.c_str(), a.value.data(), a.value.size(), 0); },
      entry, report, shown);
  if (::fchmod(fd, allowed_mode(entry, owner_set, report, shown)) != 0)
    report.add("mode not set", reason(errno), shown);
  timespec times[2];
  times_of(entry, times);
  if (::futimens(fd, times) != 0) report.add("time not set", reason(errno), shown);
  check_time(fd, "", entry, report, shown);
}

void set_metadata_at(int directory_fd, const Entry& entry, RestoreReport& report, const std::string& shown) {
  const char* name = entry.name.c_str();
  const bool owner_set = set_owner(
      [&](uid_t uid, gid_t gid) { return ::fchownat(directory_fd, name, uid, gid, AT_SYMLINK_NOFOLLOW); },
      entry, report, shown);
  const bool is_symlink = entry.type == EntryType::Symlink;
  if (!is_symlink || !entry.xattrs.empty()) {
    const Fd held(::openat(directory_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!held) throw sys_error(errno, "opening " + quoted(shown));
    const std::string path = by_descriptor(held.get());
    set_xattrs(
        [&](const Xattr& a) {
          return ::setxattr(path.c_str(), a.name.c_str(), a.value.data(), a.value.size(), 0);
        },
        entry, report, shown);
    if (!is_symlink && ::chmod(path.c_str(), allowed_mode(entry, owner_set, report, shown)) != 0)
      report.add("mode not set", reason(errno), shown);
  }
  timespec times[2];
  times_of(entry, times);
  if (::utimensat(directory_fd, name, times, AT_SYMLINK_NOFOLLOW) != 0)
    report.add("time not set", reason(errno), shown);
  check_time(directory_fd, name, entry, report, shown);
}

}  // namespace bk
