#include "common/io/lock.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <sys/file.h>

namespace bk {
namespace {

// Nothing only for a busy lock with LOCK_NB.
std::optional<Fd> lock_file(const std::string& path, int operation) {
  Fd fd = open_file(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
  for (;;) {
    if (::flock(fd.get(), operation) == 0) return fd;
    if (errno == EWOULDBLOCK) return std::nullopt;
    if (errno != EINTR) throw sys_error(errno, "locking " + quoted(path));
  }
}

}  // namespace

std::optional<FileLock> FileLock::try_exclusive(const std::string& path) {
  std::optional<Fd> fd = lock_file(path, LOCK_EX | LOCK_NB);
  if (!fd) return std::nullopt;
  return FileLock(std::move(*fd));
}

std::optional<FileLock> FileLock::try_shared(const std::string& path) {
  std::optional<Fd> fd = lock_file(path, LOCK_SH | LOCK_NB);
  if (!fd) return std::nullopt;
  return FileLock(std::move(*fd));
}

bool try_lock_descriptor(int fd) {
  for (;;) {
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return true;
    if (errno == EWOULDBLOCK) return false;
    if (errno != EINTR) throw sys_error(errno, "locking an open file");
  }
}

FileLock FileLock::exclusive(const std::string& path) { return FileLock(*lock_file(path, LOCK_EX)); }
FileLock FileLock::shared(const std::string& path) { return FileLock(*lock_file(path, LOCK_SH)); }

}  // namespace bk
