// The last line of what a program printed, for a message: at most 400 bytes, bytes that steer a terminal as
// '?'.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace bk {

[[nodiscard]] inline std::string last_line(std::string_view text) {
  const std::size_t end = text.find_last_not_of("\n\r ");
  if (end == std::string_view::npos) return {};
  text = text.substr(0, end + 1);
  const std::size_t before = text.find_last_of('\n');
  std::string out(text.substr(before == std::string_view::npos ? 0 : before + 1, 400));
  std::replace_if(
      out.begin(), out.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  return out;
}

}  // namespace bk
