#include "common/log/log.h"

#include "common/error/error.h"
#include "common/io/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace bk {
namespace {

std::string one_line(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto b = static_cast<unsigned char>(c);
    if (c == '\n') {
      out += " | ";
    } else if (b < 0x20 || b == 0x7f) {
      out += fmt::format("\\x{:02x}", b);
    } else {
      out += c;
    }
  }
  return out;
}

void append(const std::string& path, const std::string& line) noexcept {
  const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return;
  (void)!::write(fd, line.data(), line.size());  // one write: lines of several processes do not mix
  (void)::close(fd);
}

}  // namespace

Log::Log(const std::string& home, const std::string& program, const Clock& clock)
    : directory_(join_path(home, "log")), program_(program), clock_(&clock) {
  try {
    ensure_directory(directory_);
  } catch (const Error&) {
    directory_.clear();
  }
}

void Log::line(std::string_view text) const {
  if (directory_.empty()) return;
  const Timestamp now = clock_->now();
  const CivilTime day = to_utc(now.seconds);
  append(fmt::format("{}/{}-{:04}-{:02}.log", directory_, program_, day.year, day.month),
         fmt::format("{} {} {}\n", to_text(now), ::getpid(), one_line(text)));
}

void Log::notice(std::string_view text) const {
  line(text);
  if (directory_.empty()) return;
  append(directory_ + "/notices",
         fmt::format("{} {} {}\n", to_text(clock_->now()), program_, one_line(text)));
}

}  // namespace bk
