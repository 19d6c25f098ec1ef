#include "common/restore/beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace bk {
namespace {

constexpr std::size_t kMaxPiece = 4000;  // below PATH_MAX, with its NUL

Fd open_piece(int at, const std::string& piece, int flags) {
  open_how how{};
  how.flags = static_cast<unsigned>(flags);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  for (;;) {  // EAGAIN: something was renamed meanwhile and the kernel could not be sure
    const long fd = ::syscall(SYS_openat2, at, piece.c_str(), &how, sizeof how);
    if (fd >= 0) return Fd(static_cast<int>(fd));
    if (errno != EAGAIN && errno != EINTR) return {};
  }
}

}  // namespace

Fd open_directory_beneath(int root, std::string_view relative) {
  constexpr int kPassage = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  if (relative.empty()) return open_piece(root, ".", kPassage);
  Fd at;
  while (!relative.empty()) {
    std::string_view piece = relative;
    if (piece.size() > kMaxPiece) piece = piece.substr(0, piece.rfind('/', kMaxPiece));
    relative.remove_prefix(piece.size());
    if (!relative.empty()) relative.remove_prefix(1);
    at = open_piece(at ? at.get() : root, std::string(piece), kPassage);
    if (!at) return {};
  }
  return at;
}

}  // namespace bk
