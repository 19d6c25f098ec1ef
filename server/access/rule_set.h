// What one grammar of gitosis.conf answers (docs/formats/gitosis-conf.md).  Pure.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace bk::server {

struct Granted {
  std::string prefix;  // folder of the repository as configured: relative to the home, or absolute
  std::string path;    // below it, without ".git"
};

// What git-daemon and gitweb are told of one repository.
struct Publication {
  bool daemon = false;
  std::string description;  // empty: what is there stays
  std::string owner;
};

// What a reader of the file should know, each "gitosis.conf:<line>: <text>".  A mistake refuses a push; a
// file that is in force already goes on working, and what is mistaken in it grants nothing.
struct Findings {
  std::vector<std::string> warnings, mistakes;
  void warn(int line, std::string_view text);
  void mistake(int line, std::string_view text);
};

// Everything a user may do, by what the file calls it: "web1", "names like \"team/.*\"".  True: write.
using RightsOf = std::map<std::string, bool>;

class RuleSet {
 public:
  virtual ~RuleSet() = default;
  // The user's groups as gitosis names them, the last one "all" or "@all".
  [[nodiscard]] virtual std::vector<std::string> groups_of(std::string_view user) const = 0;
  // `mode` as `bk_access check` takes it; one that does not exist gives nothing.
  [[nodiscard]] virtual std::optional<Granted> find_access(std::string_view user, std::string_view mode,
                                                           std::string_view path) const = 0;
  // What the gate asks.
  [[nodiscard]] virtual std::optional<Granted> find_writable(std::string_view user,
                                                             std::string_view path) const = 0;
  [[nodiscard]] virtual std::optional<Granted> find_readable(std::string_view user,
                                                             std::string_view path) const = 0;
  // "@all" as the user: what everybody may.  At most `most` entries are added; false when there are more.
  [[nodiscard]] virtual bool add_rights(std::string_view user, RightsOf& out, std::size_t most) const = 0;

  // A key of the section gitosis, as configured.
  [[nodiscard]] virtual std::optional<std::string> global(std::string_view key) const = 0;
  [[nodiscard]] virtual int line_of_global(std::string_view key) const = 0;
  [[nodiscard]] virtual Publication publication(std::string_view name) const = 0;
  // The text of projects.list; `on_disk` holds the names of the repositories that exist, without ".git".
  [[nodiscard]] virtual std::string projects_list(const std::set<std::string>& on_disk) const = 0;
};

inline constexpr std::string_view kGitosisFile = "gitosis.conf";
inline constexpr std::string_view kDefaultPrefix = "repositories";

// How many patterns one question lets run out of steps before the rest count as "no".
inline constexpr int kMostSpent = 16;
inline constexpr std::size_t kMaxPatterns = 10000;

}  // namespace bk::server
