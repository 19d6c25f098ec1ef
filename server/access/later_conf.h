// The later grammar of gitosis.conf as text: `@group = …`, `gitosis`, `repo NAME`, `key = value`.  Pure.
//
// Lines are stripped; blank ones and those that begin with '#' mean nothing.  `@group` lines may stand
// anywhere and close no section.  Of a group, a section or a key that comes twice the last one replaces the
// others.
#pragma once

#include "server/access/ini.h"

#include <string>
#include <string_view>
#include <vector>

namespace bk::server {

struct LaterFile {
  std::map<std::string, IniValue> gitosis;
  std::vector<IniSection> repos;  // one per name, at the place of the last
  struct Group {
    std::string name;  // with its '@'
    IniValue members;
  };
  std::vector<Group> groups;  // as repos
};

// Throws Config with the line.
[[nodiscard]] LaterFile parse_later(std::string_view text, std::string_view file);

struct QuotedWords {
  std::vector<std::string> words;
  std::string problem;  // not empty: the list cannot be used
};
// Words separated by white space.  When the line has a quote anywhere: '…' or "…" at the beginning of a word
// holds white space together, and inside \' \" and \\ stand for the second sign.
[[nodiscard]] QuotedWords split_quoted(std::string_view text);

// True when the first line that decides is one of this grammar; false for INI and for a file that says
// nothing.
[[nodiscard]] bool is_later_grammar(std::string_view text);

}  // namespace bk::server
