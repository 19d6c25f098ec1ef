// gitosis.conf: who may read or write which repository (docs/formats/gitosis-conf.md).
//
// Both grammars of gitosis, told apart by the file: INI ([group NAME] …) and the later one (@group, repo
// NAME). Pure; the answers are gitosis's own, except where docs/formats/gitosis-conf.md says that a fault was
// not kept.
#pragma once

#include "server/access/access_names.h"
#include "server/access/ini.h"
#include "server/access/rule_set.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bk::server {

enum class Grammar { Ini, Later };

class GitosisConf {
 public:
  // An empty INI file: it grants nothing.
  GitosisConf();
  // Throws Config with file, line and reason for what cannot be read.  What is legal but has no effect goes
  // to `warnings`, each "<file>:<line>: <text>".
  [[nodiscard]] static GitosisConf parse(std::string_view text, std::vector<std::string>& warnings);

  [[nodiscard]] Grammar grammar() const { return grammar_; }
  // What a push is refused for; a file in force goes on with what is sound in it.
  [[nodiscard]] const std::vector<std::string>& mistakes() const { return mistakes_; }

  // The groups of a user, in gitosis's order; the last one is always "all" ("@all" in the later grammar).
  [[nodiscard]] std::vector<std::string> groups_of(std::string_view user) const;
  // `mode` is a list of the file: in INI "writable" (also "RW", "RW+"), "readonly" (also "R") or "writeable";
  // in the later grammar "RW+" (also "writable", "writeable"), "R", "RW", and "readonly" for RW+ or R.
  // Nothing for another mode.  One trailing ".git" of `path` is dropped.
  [[nodiscard]] std::optional<Granted> find_access(std::string_view user, std::string_view mode,
                                                   std::string_view path) const;
  // In any way that the gate knows.
  [[nodiscard]] std::optional<Granted> find_writable(std::string_view user, std::string_view path) const;
  [[nodiscard]] std::optional<Granted> find_readable(std::string_view user, std::string_view path) const;
  [[nodiscard]] bool add_rights(std::string_view user, RightsOf& out, std::size_t most) const;

  // The person behind a key's user: with decodeID = yes (later grammar) keys are named "git" and the name in
  // URL-safe base64 with '.' for '='.  Nothing when the name cannot be decoded.
  [[nodiscard]] std::optional<std::string> person(std::string_view key_user) const;

  // Keys of the section gitosis, as configured or the default; relative ones are below the home.
  [[nodiscard]] std::string repositories() const;
  [[nodiscard]] std::string authorized_keys_path() const;
  [[nodiscard]] std::string generated_folder() const;
  // Throws Config, with the line, when the repositories of this installation would have to lie elsewhere.
  void require_repositories(std::string_view folder) const;

  [[nodiscard]] Publication publication(std::string_view name) const { return rules_->publication(name); }
  [[nodiscard]] std::string projects_list(const std::set<std::string>& on_disk) const;

 private:
  [[nodiscard]] std::string global(std::string_view key, std::string_view otherwise) const;

  Grammar grammar_ = Grammar::Ini;
  std::shared_ptr<const RuleSet> rules_;  // never changes: copies share it
  std::vector<std::string> mistakes_;
};

}  // namespace bk::server
