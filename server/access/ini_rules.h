// Grammar A of gitosis.conf (INI): [gitosis], [group NAME], [repo NAME].  Pure.
#pragma once

#include "common/regex/regex.h"
#include "server/access/ini.h"
#include "server/access/rule_set.h"

namespace bk::server {

// In each group of the user, in the file's order: the name in the list, then the map, then `…_regex`, then
// the `path` of a listed [repo NAME].  The first hit counts.
class IniRules : public RuleSet {
 public:
  // Throws Config with the line for what cannot be read at all.
  IniRules(std::string_view text, Findings& findings);
  IniRules(const IniRules&) = delete;
  IniRules& operator=(const IniRules&) = delete;

  [[nodiscard]] std::vector<std::string> groups_of(std::string_view user) const override;
  [[nodiscard]] std::optional<Granted> find_access(std::string_view user, std::string_view mode,
                                                   std::string_view path) const override;
  [[nodiscard]] std::optional<Granted> find_writable(std::string_view user,
                                                     std::string_view path) const override;
  [[nodiscard]] std::optional<Granted> find_readable(std::string_view user,
                                                     std::string_view path) const override;
  [[nodiscard]] bool add_rights(std::string_view user, RightsOf& out, std::size_t most) const override;
  [[nodiscard]] std::optional<std::string> global(std::string_view key) const override;
  [[nodiscard]] int line_of_global(std::string_view key) const override;
  [[nodiscard]] Publication publication(std::string_view name) const override;
  [[nodiscard]] std::string projects_list(const std::set<std::string>& on_disk) const override;

 private:
  struct Pattern {
    std::string text;
    Regex regex;
  };
  using Patterns = std::vector<Pattern>;

  void index(Findings& findings);
  void index_group(std::size_t section);
  void compile(const IniValue& value, bool is_list, Findings& findings);
  [[nodiscard]] std::vector<std::size_t> listing(const std::string& member) const;
  [[nodiscard]] std::vector<std::size_t> sections_of(std::string_view user) const;
  [[nodiscard]] std::optional<std::string> mapped(const IniSection& group, const std::string& key,
                                                  std::string_view path, int& spent) const;
  [[nodiscard]] const Patterns* path_patterns(std::string_view repository) const;
  [[nodiscard]] const IniSection* repo_section(std::string_view name) const;
  [[nodiscard]] std::string prefix_of(const IniSection& group) const;
  void add_list_rights(const IniSection& group, const std::string& key, RightsOf& out,
                       std::size_t most) const;
  [[nodiscard]] bool flag(const IniSection* section, std::string_view key, bool otherwise) const;

  IniFile ini_;
  std::map<std::string, std::vector<std::size_t>> by_member_;  // user or "@group" -> sections listing it
  std::map<std::string, std::size_t, std::less<>> repos_;      // name -> section
  std::map<const IniValue*, Patterns> patterns_;               // of values in ini_, which never moves
  std::size_t pattern_count_ = 0;
};

}  // namespace bk::server
