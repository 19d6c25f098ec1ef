#include "common/text/screen.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

namespace bk {
namespace {

// What a terminal understands (ECMA-48): to the end of the line, to the end of the screen.
constexpr const char* kWipeLine = "\r\x1b[K";
constexpr const char* kWipeBelow = "\r\x1b[J";

constexpr std::string_view kCut = "..";
constexpr std::string_view kColon = ": ";
constexpr std::size_t kShortestHead = 40;  // below that, numbers are told in shorter words
constexpr std::size_t kLeastHead = 5;

struct Size {
  std::size_t columns = 80, rows = 24;
};

Size size_of(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
  return {size.ws_col, size.ws_row};
}

// Characters of UTF-8 are counted by their first bytes.
bool begins_character(char c) { return (static_cast<std::uint8_t>(c) & 0xc0U) != 0x80U; }

std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_character));
}

// Where the character of that number begins.
std::size_t position_of(std::string_view text, std::size_t character) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (begins_character(text[i]) && character-- == 0) return i;
  }
  return text.size();
}

std::string cut_in_the_middle(std::string_view text, std::size_t columns) {
  const std::size_t width = width_of(text);
  if (width <= columns) return std::string(text);
  const std::size_t kept = columns - kCut.size(), end = kept / 2, begin = kept - end;
  return std::string(text.substr(0, position_of(text, begin))).append(kCut) +
         std::string(text.substr(position_of(text, width - end)));
}

std::string in_short_words(std::string text) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kWords{
      {{" directories", " dirs"}, {" files read", " files"}, {", about ", ", ~"}}};
  for (const auto& [longer, shorter] : kWords) {
    if (const std::size_t at = text.find(longer); at != std::string::npos)
      text.replace(at, longer.size(), shorter);
  }
  return text;
}

}  // namespace

std::string fitted(const std::string& line, std::size_t columns) {
  if (width_of(line) <= columns) return line;
  const std::size_t colon = line.rfind(kColon);
  if (colon == std::string::npos) return line.substr(0, position_of(line, columns));
  std::string numbers = line.substr(colon);
  if (width_of(numbers) + kShortestHead > columns) numbers = in_short_words(std::move(numbers));
  const std::size_t width = width_of(numbers);
  if (width + kLeastHead <= columns)
    return cut_in_the_middle(std::string_view(line).substr(0, colon), columns - width) + numbers;
  numbers.erase(0, kColon.size());
  return numbers.substr(0, position_of(numbers, columns));
}

Screen::Screen(int fd) : fd_(fd), terminal_(::isatty(fd) == 1) {}

Screen::~Screen() { show({}); }

void Screen::show(const std::vector<std::string>& lines) {
  if (!terminal_ || (lines.empty() && !shown_)) return;
  const Size size = size_of(fd_);
  const std::size_t count = std::min(lines.size(), size.rows - 1);  // more would scroll away
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += kWipeLine + fitted(lines[i], size.columns - 1) + "\n";
  out += kWipeBelow;
  if (count > 0) out += "\x1b[" + std::to_string(count) + "A";
  shown_ = count > 0;
  (void)!::write(fd_, out.data(), out.size());
}

std::string line_wiper(int fd) { return ::isatty(fd) == 1 ? kWipeLine : ""; }

}  // namespace bk
