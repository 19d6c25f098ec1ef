// Loaded into a program under test (LD_PRELOAD): the n-th call that touches a file below one folder fails.
//
//   BK_FAIL_BELOW  the folder, absolute and without symlinks
//   BK_FAIL_AT     which call, from 1; 0: none, only count
//   BK_FAIL_ERRNO  what it fails with; 0: the program is killed just before the call
//   BK_FAIL_KIND   "write": calls that need room or a working disk; "read": those that read
//   BK_FAIL_ON     "once": only that call; "on": that one and all behind it, as on a disk that stays full
//   BK_FAIL_LOG    a file outside of the folder: every matching call is noted, "<name> <path>"
//
// Calls through mappings, and those that libraries make without the dynamic linker, are not seen.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long calls;
static const char* below;
static long fail_at;
static int fail_errno, reads, stays;
static int log_fd = -1;
static _Thread_local int inside;

#define REAL(name) ((__typeof__(&name))real(#name))
static void* real(const char* name) { return dlsym(RTLD_NEXT, name); }

__attribute__((constructor)) static void begin(void) {
  below = getenv("BK_FAIL_BELOW");
  if (below == NULL) return;
  fail_at = atol(getenv("BK_FAIL_AT") ? getenv("BK_FAIL_AT") : "0");
  fail_errno = atoi(getenv("BK_FAIL_ERRNO") ? getenv("BK_FAIL_ERRNO") : "5");
  reads = strcmp(getenv("BK_FAIL_KIND") ? getenv("BK_FAIL_KIND") : "write", "read") == 0;
  stays = strcmp(getenv("BK_FAIL_ON") ? getenv("BK_FAIL_ON") : "once", "on") == 0;
  const char* log = getenv("BK_FAIL_LOG");
  inside = 1;
  if (log != NULL) log_fd = REAL(open)(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  inside = 0;
}

static int is_below(const char* path) {
  const size_t n = strlen(below);
  return strncmp(path, below, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

// True when this call is the one.
static int counts(const char* name, const char* path) {
  const long n = atomic_fetch_add(&calls, 1) + 1;
  if (log_fd >= 0) {
    char line[PATH_MAX + 64];
    const int size = snprintf(line, sizeof line, "%s %s\n", name, path);
    (void)!REAL(write)(log_fd, line, (size_t)size);
  }
  if (fail_at == 0 || n < fail_at || (n > fail_at && !stays)) return 0;
  if (fail_errno == 0) kill(getpid(), SIGKILL);
  errno = fail_errno;
  return 1;
}

static int of_path(const char* name, int dir, const char* path) {
  if (below == NULL || inside || path == NULL) return 0;
  inside = 1;
  char whole[PATH_MAX * 2] = "";
  if (path[0] != '/') {
    char link[64];
    if (dir == AT_FDCWD) {
      if (getcwd(whole, PATH_MAX) == NULL) whole[0] = '\0';
    } else {
      snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
      const ssize_t n = readlink(link, whole, PATH_MAX - 1);
      whole[n > 0 ? n : 0] = '\0';
    }
    strcat(whole, "/");
  }
  strncat(whole, path, PATH_MAX - 1);
  const int fails = is_below(whole) && counts(name, whole);
  inside = 0;
  return fails;
}

static int of_fd(const char* name, int fd) {
  if (below == NULL || inside) return 0;
  inside = 1;
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t n = readlink(link, path, sizeof path - 1);
  path[n > 0 ? n : 0] = '\0';
  const int fails = n > 0 && is_below(path) && counts(name, path);
  inside = 0;
  return fails;
}

#define ON_FD(name, ...)                     \
  if (!reads && of_fd(#name, fd)) return -1; \
  return REAL(name)(__VA_ARGS__)
#define ON_PATH(name, dir, path, ...)                 \
  if (!reads && of_path(#name, dir, path)) return -1; \
  return REAL(name)(__VA_ARGS__)
#define READS(name, ...)                    \
  if (reads && of_fd(#name, fd)) return -1; \
  return REAL(name)(__VA_ARGS__)

ssize_t write(int fd, const void* data, size_t size) { ON_FD(write, fd, data, size); }
ssize_t pwrite(int fd, const void* data, size_t size, off_t at) { ON_FD(pwrite, fd, data, size, at); }
ssize_t pwrite64(int fd, const void* data, size_t size, off64_t at) { ON_FD(pwrite64, fd, data, size, at); }
ssize_t writev(int fd, const struct iovec* parts, int count) { ON_FD(writev, fd, parts, count); }
ssize_t pwritev(int fd, const struct iovec* parts, int count, off_t at) {
  ON_FD(pwritev, fd, parts, count, at);
}
int fsync(int fd) { ON_FD(fsync, fd); }
int fdatasync(int fd) { ON_FD(fdatasync, fd); }
int syncfs(int fd) { ON_FD(syncfs, fd); }
int ftruncate(int fd, off_t size) { ON_FD(ftruncate, fd, size); }
int ftruncate64(int fd, off64_t size) { ON_FD(ftruncate64, fd, size); }
int fallocate(int fd, int mode, off_t at, off_t size) { ON_FD(fallocate, fd, mode, at, size); }
ssize_t copy_file_range(int from, off64_t* in, int fd, off64_t* out, size_t size, unsigned flags) {
  ON_FD(copy_file_range, from, in, fd, out, size, flags);
}
int rename(const char* from, const char* to) { ON_PATH(rename, AT_FDCWD, to, from, to); }
int renameat(int a, const char* from, int b, const char* to) { ON_PATH(renameat, b, to, a, from, b, to); }
int renameat2(int a, const char* from, int b, const char* to, unsigned flags) {
  ON_PATH(renameat2, b, to, a, from, b, to, flags);
}
int link(const char* from, const char* to) { ON_PATH(link, AT_FDCWD, to, from, to); }
int linkat(int a, const char* from, int b, const char* to, int flags) {
  ON_PATH(linkat, b, to, a, from, b, to, flags);
}
int symlink(const char* target, const char* path) { ON_PATH(symlink, AT_FDCWD, path, target, path); }
int symlinkat(const char* target, int dir, const char* path) {
  ON_PATH(symlinkat, dir, path, target, dir, path);
}
int mkdir(const char* path, mode_t mode) { ON_PATH(mkdir, AT_FDCWD, path, path, mode); }
int mkdirat(int dir, const char* path, mode_t mode) { ON_PATH(mkdirat, dir, path, dir, path, mode); }

// Removing needs no room.
int unlink(const char* path) {
  if (fail_errno == ENOSPC) return REAL(unlink)(path);
  ON_PATH(unlink, AT_FDCWD, path, path);
}
int unlinkat(int dir, const char* path, int flags) {
  if (fail_errno == ENOSPC) return REAL(unlinkat)(dir, path, flags);
  ON_PATH(unlinkat, dir, path, dir, path, flags);
}

// Some calls go by number: renameat2 is younger than many a libc.
long syscall(long what, ...) {
  va_list more;
  va_start(more, what);
  long w[6];
  for (int i = 0; i < 6; ++i) w[i] = va_arg(more, long);
  va_end(more);
  if (what == SYS_renameat2 && !reads && of_path("renameat2", (int)w[2], (const char*)w[3])) return -1;
  return REAL(syscall)(what, w[0], w[1], w[2], w[3], w[4], w[5]);
}

// O_TMPFILE holds the bit of O_DIRECTORY.
#define MAKES(flags) (((flags)&O_CREAT) != 0 || ((flags)&O_TMPFILE) == O_TMPFILE)
// Opening for reading may fail with EIO, making a file with either.
static int open_fails(const char* name, int dir, const char* path, int flags) {
  const int makes = MAKES(flags);
  return makes != reads && of_path(name, dir, path);
}
#define MODE(flags)              \
  mode_t mode = 0;               \
  if (MAKES(flags)) {            \
    va_list more;                \
    va_start(more, flags);       \
    mode = va_arg(more, mode_t); \
    va_end(more);                \
  }
int open(const char* path, int flags, ...) {
  MODE(flags)
  if (open_fails("open", AT_FDCWD, path, flags)) return -1;
  return REAL(open)(path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  MODE(flags)
  if (open_fails("open64", AT_FDCWD, path, flags)) return -1;
  return REAL(open64)(path, flags, mode);
}
int openat(int dir, const char* path, int flags, ...) {
  MODE(flags)
  if (open_fails("openat", dir, path, flags)) return -1;
  return REAL(openat)(dir, path, flags, mode);
}
int openat64(int dir, const char* path, int flags, ...) {
  MODE(flags)
  if (open_fails("openat64", dir, path, flags)) return -1;
  return REAL(openat64)(dir, path, flags, mode);
}

ssize_t read(int fd, void* data, size_t size) { READS(read, fd, data, size); }
ssize_t pread(int fd, void* data, size_t size, off_t at) { READS(pread, fd, data, size, at); }
ssize_t pread64(int fd, void* data, size_t size, off64_t at) { READS(pread64, fd, data, size, at); }
ssize_t readv(int fd, const struct iovec* parts, int count) { READS(readv, fd, parts, count); }
ssize_t preadv(int fd, const struct iovec* parts, int count, off_t at) {
  READS(preadv, fd, parts, count, at);
}
// Nothing lies in the page cache: what follows is a read that counts.
ssize_t preadv2(int fd, const struct iovec* parts, int count, off_t at, int flags) {
  if (below == NULL || !reads) return REAL(preadv2)(fd, parts, count, at, flags);
  errno = EAGAIN;
  return -1;
}
ssize_t preadv64v2(int fd, const struct iovec* parts, int count, off64_t at, int flags) {
  return preadv2(fd, parts, count, at, flags);
}
