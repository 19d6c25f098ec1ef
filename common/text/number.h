// Numbers from text: the whole text or nothing, within a range, no sign unless asked, no white space.
#pragma once

#include <charconv>
#include <limits>
#include <optional>
#include <string_view>

namespace bk {

template <class Int>
[[nodiscard]] std::optional<Int> parse_int(std::string_view text, Int low = std::numeric_limits<Int>::min(),
                                           Int high = std::numeric_limits<Int>::max()) {
  Int value{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  // One spelling: "007" and "-0" are refused.
  if ((text.size() > 1 && text.front() == '0') || text.substr(0, 2) == "-0") return std::nullopt;
  if (value < low || value > high) return std::nullopt;
  return value;
}

}  // namespace bk
