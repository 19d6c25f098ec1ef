#include "tests/unit/store/hooked_calls.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstdio>
#include <utility>

namespace bk::store::test {

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
