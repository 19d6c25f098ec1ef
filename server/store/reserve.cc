#include "server/store/reserve.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>

namespace bk::store {
namespace {

std::string path_in(const std::string& store) { return store + "/locks/reserve"; }

std::uint64_t free_bytes(const std::string& folder) {
  struct statvfs info {};
  check_sys(::statvfs(folder.c_str(), &info), [&] { return "looking at " + quoted(folder); });
  return std::uint64_t{info.f_bavail} * info.f_frsize;
}

}  // namespace

void free_reserve_if_short(const std::string& store, std::uint64_t bytes) {
  if (!path_exists(path_in(store)) || free_bytes(store) >= bytes) return;
  if (::unlink(path_in(store).c_str()) != 0 && errno != ENOENT)  // somebody else was as short of room
    throw sys_error(errno, "removing " + quoted(path_in(store)));
}

void keep_reserve(const std::string& store, std::uint64_t bytes) noexcept {
  try {
    if (bytes == 0) return;
    const std::string path = path_in(store);
    struct stat info {};
    const bool there = ::stat(path.c_str(), &info) == 0;
    if (there && static_cast<std::uint64_t>(info.st_size) == bytes) return;
    if (there) (void)::unlink(path.c_str());
    if (free_bytes(store) < 2 * bytes) return;
    ensure_directory(parent_of(path));
    const Fd fd = open_file(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    // A file system that cannot do it writes zeros instead, which does as well.
    if (::posix_fallocate(fd.get(), 0, static_cast<off_t>(bytes)) != 0) (void)::unlink(path.c_str());
  } catch (const Error&) {
    // Another time.
  }
}

}  // namespace bk::store
