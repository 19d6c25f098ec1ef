// What both grammars of gitosis.conf take for blanks: those of Python's str.strip().  Pure.
#pragma once

#include <string_view>

namespace bk::server {

inline constexpr std::string_view kBlanks = " \t\r\f\v\n";

[[nodiscard]] inline bool is_blank(char c) { return kBlanks.find(c) != std::string_view::npos; }

// Without blanks at both ends.
[[nodiscard]] inline std::string_view strip_blanks(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

}  // namespace bk::server
