#include "client/agent/beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace bk::agent {

namespace {

constexpr std::size_t kMaxPiece = 4000;  // below PATH_MAX, with its NUL
constexpr int kPassage =
    O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;  // openat2 takes no other flag with O_PATH
constexpr int kDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;

// Root reads without touching access times; anybody else may do so only for own files, which is not worth
// asking.
int no_atime() {
  static const int flag = geteuid() == 0 ? O_NOATIME : 0;
  return flag;
}

Fd open_piece(int directory, const std::string& piece, int flags) {
  open_how how{};
  how.flags = static_cast<unsigned>(flags);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  for (;;) {  // EAGAIN: something was renamed meanwhile and the kernel could not be sure
    const long fd = syscall(SYS_openat2, directory, piece.c_str(), &how, sizeof how);
    if (fd >= 0) return Fd(static_cast<int>(fd));
    if (errno != EAGAIN && errno != EINTR) return Fd();
  }
}

// The longest run of whole components that fits into one system call.
std::string_view first_piece(std::string_view path) {
  if (path.size() <= kMaxPiece) return path;
  return path.substr(0, path.rfind('/', kMaxPiece));
}

}  // namespace

bool means_vanished(int error) {
  return error == ENOENT || error == ENOTDIR || error == ELOOP || error == ENOTSUP || error == ENXIO ||
         error == EXDEV || error == ESTALE;
}

Fd open_beneath(int root, std::string_view relative, int flags) {
  if (relative.empty()) return Fd(openat(root, ".", kDirectory | no_atime()));
  Fd at;
  while (!relative.empty()) {
    const std::string_view piece = first_piece(relative);
    relative.remove_prefix(piece.size());
    if (!relative.empty()) relative.remove_prefix(1);
    at = open_piece(at ? at.get() : root, std::string(piece), relative.empty() ? flags : kPassage);
    if (!at) return at;
  }
  return at;
}

Fd open_subdirectory(int parent, const char* name) {
  return Fd(openat(parent, name, kDirectory | no_atime()));
}

Fd open_same_directory(int root, std::string_view path, const DirectoryId& id) {
  Fd fd = open_beneath(root, path, kDirectory | no_atime());
  struct stat facts {};
  if (!fd || fstat(fd.get(), &facts) != 0) return Fd();
  if (DirectoryId{facts.st_dev, facts.st_ino} == id) return fd;
  fd.reset();
  errno = ESTALE;
  return fd;
}

Fd open_root(std::string_view path) {
  const Fd top(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!top) return Fd();
  return open_beneath(top.get(), path.substr(1), kDirectory | no_atime());
}

Fd open_regular(int parent, const char* name, struct stat& facts) {
  Fd fd(openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | no_atime()));
  if (!fd) return fd;
  if (fstat(fd.get(), &facts) != 0) return Fd();
  if (S_ISREG(facts.st_mode)) return fd;
  fd.reset();
  errno = ENOTSUP;
  return fd;
}

}  // namespace bk::agent
