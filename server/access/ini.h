// The grammar of gitosis.conf: what Python's ConfigParser reads (docs/formats/gitosis-conf.md).
//
// Pure.  `=` or `:` separate; keys are case-insensitive; indented lines continue a value; `;` behind a blank
// begins a comment inside a value, `#` does not; a section that comes twice is merged; of a key that comes
// twice the last one counts; [DEFAULT] gives every section a value.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bk::server {

struct IniValue {
  std::string text;  // continuation lines are joined by '\n'
  int line = 0;      // of the key, from 1
};

struct IniSection {
  std::string name;
  int line = 0;
  std::map<std::string, IniValue> values;  // keys in lower case
};

struct IniFile {
  std::vector<IniSection> sections;  // in the order of their first appearance, without [DEFAULT]
  IniSection defaults;
  [[nodiscard]] const IniSection* find_section(std::string_view name) const;
  // From the section, else from [DEFAULT].
  [[nodiscard]] const IniValue* find(const IniSection& section, std::string_view key) const;
};

inline constexpr std::size_t kMaxConfBytes = 1U << 20U;
inline constexpr std::size_t kMaxConfSections = 10000;

// Throws Config "<file>:<line>: <reason>"; `file` is only for that.
[[nodiscard]] IniFile parse_ini(std::string_view text, std::string_view file);

// Words of a value, separated by white space.
[[nodiscard]] std::vector<std::string> split_words(std::string_view text);

// The error of all our configuration files.
[[noreturn]] void refuse_line(std::string_view file, int line, std::string_view reason);

}  // namespace bk::server
