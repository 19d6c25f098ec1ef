#include "common/io/fd.h"

#include "common/error/error.h"

#include <unistd.h>

namespace bk {

void Fd::reset() noexcept {
  if (fd_ >= 0) (void)::close(std::exchange(fd_, -1));
}

void Fd::close() {
  if (fd_ < 0) return;
  // Linux has released the descriptor even when close() reports EINTR or EIO: never call it again.
  const int result = ::close(std::exchange(fd_, -1));
  if (result < 0 && errno != EINTR) throw sys_error(errno, "closing a file");
}

}  // namespace bk
