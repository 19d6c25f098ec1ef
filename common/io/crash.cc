#include "common/io/crash.h"

#ifdef BK_CRASH_POINTS

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>

namespace bk {
namespace {

// The wanted step: the variable itself, or the first line of the file that "@FILE" names; empty when there is
// none.
std::string wanted_step() {
  const char* wanted = std::getenv("BACKLINE_CRASH_AT");
  if (wanted == nullptr || *wanted != '@') return wanted != nullptr ? wanted : "";
  const int fd = ::open(wanted + 1, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return "";
  char text[128];
  const ssize_t n = ::read(fd, text, sizeof text);
  (void)::close(fd);
  return n > 0 ? std::string(text, static_cast<std::size_t>(n)) : "";
}

}  // namespace

void crash_point(const char* step) noexcept {
  if (const char* log = std::getenv("BACKLINE_CRASH_LOG")) {
    const int fd = ::open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0) {
      std::string line = std::string(step) + "\n";
      (void)!::write(fd, line.data(), line.size());
      (void)::close(fd);
    }
  }
  const std::string wanted = wanted_step();
  const std::size_t colon = wanted.find(':');
  if (wanted.substr(0, colon) != step) return;
  static std::atomic<long> passed{0};
  const long at = colon != std::string::npos ? std::strtol(wanted.c_str() + colon + 1, nullptr, 10) : 1;
  if (++passed == at) (void)::kill(::getpid(), SIGKILL);
}

void crash_with_child(int status) noexcept {
  constexpr int kKilled = 128 + SIGKILL;
  if (status == kKilled && std::getenv("BACKLINE_CRASH_AT") != nullptr) (void)::kill(::getpid(), SIGKILL);
}

}  // namespace bk

#endif
