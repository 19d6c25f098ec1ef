// Grammar B of gitosis.conf, that of gitosis's later version: @group, repo, RW+, R, path_regex.  Pure.
#pragma once

#include "common/regex/regex.h"
#include "server/access/later_conf.h"
#include "server/access/rule_set.h"

namespace bk::server {

// One repository answers: that of the exact name, else the first of the file whose path_regex matches the
// whole name. In its list a user stands by name, by one of his groups, or as @all.
class LaterRules : public RuleSet {
 public:
  LaterRules(std::string_view text, Findings& findings);

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
  using Names = std::set<std::string, std::less<>>;
  using Groups = std::vector<std::string>;
  struct Repo {
    std::string name;
    Names write, read, rw;  // words of RW+, R and RW
    std::string path_regex;
    std::optional<Regex> regex;
    std::string description, owner;
  };

  void add_group(const LaterFile::Group& group, Findings& findings);
  void add_repo(const IniSection& section, Findings& findings);
  void check_globals(Findings& findings) const;
  [[nodiscard]] const Repo* find_repo(std::string_view path) const;
  // `key` is "RW+", "R" or "RW", and means exactly that list.
  [[nodiscard]] static bool may(std::string_view user, const Groups& groups, std::string_view key,
                                const Repo& repo);

  std::map<std::string, IniValue> gitosis_;
  std::vector<std::string> groups_;                            // in the file's order
  std::map<std::string, std::vector<std::size_t>> by_member_;  // user or "@group" -> groups listing it
  std::vector<Repo> repos_;
  std::map<std::string, std::size_t, std::less<>> by_name_;
};

}  // namespace bk::server
