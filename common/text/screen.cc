#include "common/text/screen.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

namespace bk {
namespace {

// What a terminal understands (ECMA-48): to the end of the line, to the end of the screen.
constexpr const char* kWipeLine = "\r\x1b[K";
constexpr const char* kWipeBelow = "\r\x1b[J";

struct Size {
  std::size_t columns = 80, rows = 24;
};

Size size_of(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
  return {size.ws_col, size.ws_row};
}

// At most `columns` characters of UTF-8, counted by their first bytes.
std::string cut(const std::string& text, std::size_t columns) {
  std::size_t seen = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<std::uint8_t>(text[i]) & 0xc0U) != 0x80U && ++seen > columns) return text.substr(0, i);
  }
  return text;
}

}  // namespace

Screen::Screen(int fd) : fd_(fd), terminal_(::isatty(fd) == 1) {}

Screen::~Screen() { show({}); }

void Screen::show(const std::vector<std::string>& lines) {
  if (!terminal_ || (lines.empty() && !shown_)) return;
  const Size size = size_of(fd_);
  const std::size_t count = std::min(lines.size(), size.rows - 1);  // more would scroll away
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += kWipeLine + cut(lines[i], size.columns - 1) + "\n";
  out += kWipeBelow;
  if (count > 0) out += "\x1b[" + std::to_string(count) + "A";
  shown_ = count > 0;
  (void)!::write(fd_, out.data(), out.size());
}

std::string line_wiper(int fd) { return ::isatty(fd) == 1 ? kWipeLine : ""; }

}  // namespace bk
