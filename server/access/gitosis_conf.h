// gitosis.conf: who may read or write which repository (docs/formats/gitosis-conf.md).
//
// Grammar A of gitosis (INI): [gitosis], [group NAME], [repo NAME].  Pure; the answers are gitosis's own.
#pragma once

#include "server/access/ini.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bk::server {

struct Granted {
  std::string prefix;  // folder of the repository as configured: relative to the home, or absolute
  std::string path;    // below it, without ".git"
};

class GitosisConf {
 public:
  // Throws Config with file, line and reason.  What is legal but has no effect goes to `warnings`, each
  // "<file>:<line>: <text>".
  [[nodiscard]] static GitosisConf parse(std::string_view text, std::vector<std::string>& warnings);

  // The groups of a user, in gitosis's order; the last one is always "all".
  [[nodiscard]] std::vector<std::string> groups_of(std::string_view user) const;
  // `mode` is "writable", "writeable" or "readonly", and means exactly that key.  One trailing ".git" of
  // `path` is dropped.
  [[nodiscard]] std::optional<Granted> find_access(std::string_view user, std::string_view mode,
                                                   std::string_view path) const;
  // In any way: writable or its common misspelling.
  [[nodiscard]] std::optional<Granted> find_writable(std::string_view user, std::string_view path) const;
  [[nodiscard]] std::optional<Granted> find_readable(std::string_view user, std::string_view path) const;

  // [gitosis] keys, as configured or the default; relative ones are below the home.
  [[nodiscard]] std::string repositories() const;
  [[nodiscard]] std::string authorized_keys_path() const;
  // Throws Config, with the line, when any repository would lie in another folder.
  void require_repositories(std::string_view folder) const;

 private:
  [[nodiscard]] std::string global(std::string_view key, std::string_view otherwise) const;
  void check(std::vector<std::string>& warnings) const;
  void index_members();

  IniFile ini_;
  std::vector<std::string> group_names_;                       // parallel to sections; empty: no group
  std::map<std::string, std::vector<std::size_t>> by_member_;  // user or "@group" -> sections listing it
};

// A user's name, matched in full: gitosis's "[a-zA-Z][a-zA-Z0-9_.-]*(@[a-zA-Z][a-zA-Z0-9.-]*)?", or a safe
// name (so that a client whose name begins with a digit can have a key); at most 128 bytes.
[[nodiscard]] bool is_user_name(std::string_view name);
// A repository as gate and configuration may name it: components [a-zA-Z0-9][a-zA-Z0-9@._-]* joined by '/'.
[[nodiscard]] bool is_repository_name(std::string_view name);

}  // namespace bk::server
