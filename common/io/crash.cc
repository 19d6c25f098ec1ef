#include "common/io/crash.h"

#ifdef BK_CRASH_POINTS

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <string>

namespace bk {

void crash_point(const char* step) noexcept {
  if (const char* log = std::getenv("BACKLINE_CRASH_LOG")) {
    const int fd = ::open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0) {
      std::string line = std::string(step) + "\n";
      (void)!::write(fd, line.data(), line.size());
      (void)::close(fd);
    }
  }
  const char* wanted = std::getenv("BACKLINE_CRASH_AT");
  if (wanted == nullptr) return;
  const char* colon = std::strchr(wanted, ':');
  const std::size_t length =
      colon != nullptr ? static_cast<std::size_t>(colon - wanted) : std::strlen(wanted);
  if (std::strlen(step) != length || std::strncmp(step, wanted, length) != 0) return;
  static std::atomic<long> passed{0};
  const long at = colon != nullptr ? std::strtol(colon + 1, nullptr, 10) : 1;
  if (++passed == at) (void)::kill(::getpid(), SIGKILL);
}

void crash_with_child(int status) noexcept {
  constexpr int kKilled = 128 + SIGKILL;
  if (status == kKilled && std::getenv("BACKLINE_CRASH_AT") != nullptr) (void)::kill(::getpid(), SIGKILL);
}

}  // namespace bk

#endif
