#include "server/pull/stream.h"

#include "common/error/error.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>

namespace bk::pull {

namespace {

// False when nothing happened for `deadline`.
bool wait_for(int fd, short events, Millis deadline) {
  pollfd polled{fd, events, 0};
  for (;;) {
    const int count = poll(&polled, 1, static_cast<int>(deadline.count()));
    if (count < 0 && errno == EINTR) continue;
    check_sys(count, [] { return "waiting for the agent"; });
    return count > 0;
  }
}

}  // namespace

std::size_t PipeStream::read(void* buffer, std::size_t size, Millis deadline) {
  for (;;) {
    if (!wait_for(from_.get(), POLLIN, deadline)) {
      throw Error(Kind::Transient, "nothing came from the agent until the deadline");
    }
    const ssize_t got = ::read(from_.get(), buffer, size);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0 && errno == ECONNRESET) return 0;
    return static_cast<std::size_t>(check_sys(got, [] { return "reading from the agent"; }));
  }
}

std::size_t PipeStream::try_read(void* buffer, std::size_t size) {
  if (!wait_for(from_.get(), POLLIN, Millis(0))) return 0;
  const ssize_t got = ::read(from_.get(), buffer, size);
  return got < 0 ? 0 : static_cast<std::size_t>(got);
}

bool PipeStream::wait(Millis limit) { return wait_for(from_.get(), POLLIN, limit); }

void PipeStream::write(std::string_view bytes, Millis deadline) {
  while (!bytes.empty()) {
    if (!wait_for(to_.get(), POLLOUT, deadline)) {
      throw Error(Kind::Transient, "the agent took nothing until the deadline");
    }
    const ssize_t put = ::write(to_.get(), bytes.data(), bytes.size());
    if (put < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (put < 0 && (errno == EPIPE || errno == ECONNRESET))
      throw Error(Kind::Transient, "the agent closed the line");
    bytes.remove_prefix(static_cast<std::size_t>(check_sys(put, [] { return "writing to the agent"; })));
  }
}

std::optional<int> PipeStream::exit_status(Millis deadline) {
  to_.reset();
  return status_(deadline);
}

}  // namespace bk::pull
