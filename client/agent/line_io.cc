#include "client/agent/line_io.h"

#include "common/error/error.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>

namespace bk::agent {

void set_nonblocking(int fd) {
  const int flags = check_sys(fcntl(fd, F_GETFL), [] { return "asking for a descriptor's flags"; });
  check_sys(fcntl(fd, F_SETFL, flags | O_NONBLOCK), [] { return "setting a descriptor's flags"; });
}

Ready wait_for(int fd, short events, int wake, std::chrono::milliseconds limit) {
  std::array<pollfd, 2> polled{{{fd, events, 0}, {wake, POLLIN, 0}}};
  for (;;) {
    const int count = poll(polled.data(), polled.size(), static_cast<int>(limit.count()));
    if (count < 0 && errno == EINTR) continue;
    check_sys(count, [] { return "waiting for the line"; });
    if (polled[1].revents != 0) return Ready::Woken;
    return count == 0 ? Ready::Late : Ready::Yes;
  }
}

void write_to_line(int fd, std::string_view bytes, int wake, std::chrono::milliseconds limit) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd, bytes.data(), bytes.size());
    if (put > 0) bytes.remove_prefix(static_cast<std::size_t>(put));
    if (put >= 0 || errno == EINTR) continue;
    if (errno == EPIPE || errno == ECONNRESET) throw Error(Kind::Transient, "the server closed the line");
    if (errno != EAGAIN) throw sys_error(errno, "writing to the line");
    switch (wait_for(fd, POLLOUT, wake, limit)) {
      case Ready::Yes:
        break;
      case Ready::Woken:
        throw Error(Kind::Cancelled, "the pull was given up");
      case Ready::Late:
        throw Error(Kind::Transient, "the server took nothing from the line until the deadline");
    }
  }
}

}  // namespace bk::agent
