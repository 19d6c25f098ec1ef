// What is odd or wrong in a gitosis.conf of the INI grammar, value by value.  Pure.
#pragma once

#include "server/access/ini.h"
#include "server/access/rule_set.h"

#include <optional>

namespace bk::server {

inline constexpr std::string_view kGroupSection = "group ";
inline constexpr std::string_view kRepoSection = "repo ";

// Python's getboolean: 1, yes, true, on, and 0, no, false, off in any case.
[[nodiscard]] std::optional<bool> parse_boolean(std::string_view text);

// True for "writable_regex", "readonly_regex" and their common misspelling.
[[nodiscard]] bool is_regex_key(std::string_view key);

// Everything but the patterns.
void find_oddities(const IniFile& ini, Findings& findings);

}  // namespace bk::server
