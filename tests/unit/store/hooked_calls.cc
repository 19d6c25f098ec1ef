#include "tests/unit/store/hooked_calls.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <utility>

namespace bk::store::test {

BadDisk bad_disk;

void BadDisk::damage(const std::string& path, std::uint64_t from, std::uint64_t to) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) sectors[info.st_ino] = {from, to};
}

thread_local CallHook before_flock, before_fsync, before_rename, before_statvfs;

namespace {

std::string path_of(int fd) {
  std::array<char, PATH_MAX> name{};
  const ssize_t got = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), name.data(), name.size());
  return {name.data(), got > 0 ? static_cast<std::size_t>(got) : 0};
}

// What the hook does itself is not hooked.
void ask(CallHook& hook, const std::string& path) {
  if (!hook) return;
  CallHook one = std::exchange(hook, nullptr);
  if (!one(path)) hook = std::move(one);
}

bool is_bad(int fd, off_t offset, std::size_t size) {
  if (bad_disk.sectors.empty()) return false;
  struct stat info {};
  if (::fstat(fd, &info) != 0) return false;
  const auto file = bad_disk.sectors.find(info.st_ino);
  if (file == bad_disk.sectors.end()) return false;
  const auto from = static_cast<std::uint64_t>(offset);
  return from < file->second.second && file->second.first < from + size;
}

}  // namespace
}  // namespace bk::store::test

// Found before those of the C library.
extern "C" {

int flock(int fd, int operation) noexcept {
  using namespace bk::store::test;  // NOLINT: hooks
  if (before_flock) ask(before_flock, path_of(fd));
  return static_cast<int>(::syscall(SYS_flock, fd, operation));
}

int fsync(int fd) {
  using namespace bk::store::test;  // NOLINT: hooks
  if (before_fsync) ask(before_fsync, path_of(fd));
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

ssize_t pread(int fd, void* into, size_t size, off_t offset) {
  using namespace bk::store::test;  // NOLINT: hooks
  if (is_bad(fd, offset, size)) {
    ++bad_disk.failures;
    errno = bad_disk.code;
    return -1;
  }
  return ::syscall(SYS_pread64, fd, into, size, offset);
}

// Only what the kernel has in memory: nothing of a bad sector.
ssize_t preadv2(int fd, const struct iovec* parts, int count, off_t offset, int flags) {
  if (bk::store::test::is_bad(fd, offset, parts->iov_len)) {
    errno = EAGAIN;
    return -1;
  }
  return ::syscall(SYS_preadv2, fd, parts, count, offset, 0, flags);
}

ssize_t read(int fd, void* into, size_t size) {
  using namespace bk::store::test;  // NOLINT: hooks
  if (!bad_disk.sectors.empty() && is_bad(fd, std::max<off_t>(0, ::lseek(fd, 0, SEEK_CUR)), size)) {
    ++bad_disk.failures;
    errno = bad_disk.code;
    return -1;
  }
  return ::syscall(SYS_read, fd, into, size);
}

int open(const char* path, int flags, ...) {
  using namespace bk::store::test;  // NOLINT: hooks
  va_list more;
  va_start(more, flags);
  const int mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(more, int) : 0;
  va_end(more);
  if (const auto closed = bad_disk.closed.find(path); closed != bad_disk.closed.end()) {
    ++bad_disk.failures;
    errno = closed->second;
    return -1;
  }
  const std::string& read_only = bad_disk.read_only;
  if (!read_only.empty() && (flags & (O_ACCMODE | O_CREAT)) != O_RDONLY &&
      std::strncmp(path, read_only.c_str(), read_only.size()) == 0) {
    errno = EROFS;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

int rename(const char* from, const char* to) noexcept {
  bk::store::test::ask(bk::store::test::before_rename, to);
  return ::renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int statvfs(const char* path, struct statvfs* out) noexcept {
  bk::store::test::ask(bk::store::test::before_statvfs, path);
  struct statfs info {};
  if (::statfs(path, &info) != 0) return -1;
  *out = {};
  out->f_bsize = static_cast<unsigned long>(info.f_bsize);
  out->f_frsize = static_cast<unsigned long>(info.f_frsize);
  out->f_bavail = info.f_bavail;
  out->f_bfree = info.f_bfree;
  out->f_blocks = info.f_blocks;
  return 0;
}
}
