#include "common/io/media.h"

#include "common/io/fd.h"
#include "common/io/file.h"

#include <fcntl.h>

#include <cerrno>

namespace bk {

bool is_media_error(const Error& error) {
  const int code = error.sys_errno();
  return error.kind() == Kind::Io && (code == EIO || code == EUCLEAN || code == EBADMSG || code == ENODATA);
}

bool is_no_right_to_write(const Error& error) {
  const int code = error.sys_errno();
  return error.kind() == Kind::Io && (code == EROFS || code == EACCES || code == EPERM);
}

bool has_media_error(const std::string& path) noexcept try {
  const Fd fd = open_file(path, O_RDONLY | O_NOFOLLOW);
  std::string piece(1U << 18U, '\0');
  for (std::uint64_t at = 0;;) {
    const std::size_t got = pread_up_to(fd.get(), piece.data(), piece.size(), at);
    if (got == 0) return false;
    at += got;
  }
} catch (const Error& error) {
  return is_media_error(error);
} catch (const std::exception&) {
  return false;
}

}  // namespace bk
