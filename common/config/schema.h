// What a path in a configuration file means according to a schema.  Internal to common/config; pure.
#pragma once

#include "common/config/config.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bk::config {

inline constexpr char kSeparator = '\x1f';  // cannot occur in a safe name or a known key

using Parts = std::vector<std::string>;

[[nodiscard]] Parts split(std::string_view key);  // at dots
template <class Range>
[[nodiscard]] std::string join(const Range& parts) {
  std::string out;
  for (const auto& part : parts) {
    if (!out.empty()) out += kSeparator;
    out += part;
  }
  return out;
}
[[nodiscard]] std::string dotted(const Parts& parts);  // for messages

// True when each part of `path` equals the row's part or stands where the row has a word in capitals.
[[nodiscard]] bool matches(const Parts& row, const Parts& path);
[[nodiscard]] const ConfigKey* find_row(std::span<const ConfigKey> schema, const Parts& path);
// Some row lies below `path`.
[[nodiscard]] bool is_table(std::span<const ConfigKey> schema, const Parts& path);
// The last part of `path` stands for a name that the user chose.
[[nodiscard]] bool is_free_name(std::span<const ConfigKey> schema, const Parts& path);
// The same, and the row's word is PATH: an absolute path of the user's.
[[nodiscard]] bool is_free_path(std::span<const ConfigKey> schema, const Parts& path);
// What may stand at the level of path.back(), sorted, each once.
[[nodiscard]] std::vector<std::string> names_below(std::span<const ConfigKey> schema, const Parts& path);
// The known name closest to `wrong`, or "" when none is close.
[[nodiscard]] std::string nearest(std::string_view wrong, const std::vector<std::string>& known);

// Whether a value written as a string (or not) and reading `text` is of this type.
[[nodiscard]] bool fits(ConfigType type, std::string_view text, bool is_string);
// "a duration such as \"15m\"": what would be right.
[[nodiscard]] std::string_view expectation(ConfigType type);

}  // namespace bk::config
