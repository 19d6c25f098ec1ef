#include "server/access/gitosis_conf.h"

#include "common/error/error.h"
#include "common/text/escape.h"
#include "server/access/ini_rules.h"
#include "server/access/later_rules.h"

#include <algorithm>
#include <array>

namespace bk::server {
namespace {

std::string at(int line, std::string_view text) {
  return std::string(kGitosisFile) + ":" + std::to_string(line) + ": " + std::string(text);
}

// The later grammar's own list of what is true.
bool is_true(std::string_view text) {
  constexpr std::array<std::string_view, 10> kTrue{"Yes",  "yes", "YES", "True", "true",
                                                   "TRUE", "On",  "on",  "ON",   "1"};
  return std::find(kTrue.begin(), kTrue.end(), text) != kTrue.end();
}

}  // namespace

void Findings::warn(int line, std::string_view text) { warnings.push_back(at(line, text)); }
void Findings::mistake(int line, std::string_view text) { mistakes.push_back(at(line, text)); }

GitosisConf::GitosisConf() {
  Findings none;
  rules_ = std::make_shared<IniRules>("", none);
}

GitosisConf GitosisConf::parse(std::string_view text, std::vector<std::string>& warnings) {
  GitosisConf conf;
  Findings findings;
  if (is_later_grammar(text)) {
    conf.grammar_ = Grammar::Later;
    conf.rules_ = std::make_shared<LaterRules>(text, findings);
  } else {
    conf.rules_ = std::make_shared<IniRules>(text, findings);
  }
  warnings.insert(warnings.end(), findings.warnings.begin(), findings.warnings.end());
  conf.mistakes_ = std::move(findings.mistakes);
  return conf;
}

std::vector<std::string> GitosisConf::groups_of(std::string_view user) const {
  return rules_->groups_of(user);
}

std::optional<Granted> GitosisConf::find_access(std::string_view user, std::string_view mode,
                                                std::string_view path) const {
  return rules_->find_access(user, mode, path);
}

std::optional<Granted> GitosisConf::find_writable(std::string_view user, std::string_view path) const {
  return rules_->find_writable(user, path);
}

std::optional<Granted> GitosisConf::find_readable(std::string_view user, std::string_view path) const {
  return rules_->find_readable(user, path);
}

bool GitosisConf::add_rights(std::string_view user, RightsOf& out, std::size_t most) const {
  return rules_->add_rights(user, out, most);
}

std::optional<std::string> GitosisConf::person(std::string_view key_user) const {
  constexpr std::string_view kPrefix = "git";
  if (grammar_ != Grammar::Later || !is_true(global("decodeID", "no"))) return std::string(key_user);
  if (!key_user.starts_with(kPrefix)) return std::nullopt;
  std::string text(key_user.substr(kPrefix.size()));
  std::replace(text.begin(), text.end(), '.', '=');
  const std::optional<std::string> name = base64url_decode(text);
  if (!name || name->empty() || name->front() == '@' || std::any_of(name->begin(), name->end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
      }))
    return std::nullopt;
  return name;
}

std::string GitosisConf::global(std::string_view key, std::string_view otherwise) const {
  return rules_->global(key).value_or(std::string(otherwise));
}

std::string GitosisConf::repositories() const { return global("repositories", kDefaultPrefix); }

void GitosisConf::require_repositories(std::string_view folder) const {
  if (repositories() == folder) return;
  refuse_line(kGitosisFile, rules_->line_of_global("repositories"),
              "repositories: the clients' repositories and gitosis-admin lie in " + quoted(folder) +
                  "; a [group] may name another folder for its own");
}

std::string GitosisConf::authorized_keys_path() const {
  return global("ssh-authorized-keys-path", ".ssh/authorized_keys");
}

std::string GitosisConf::generated_folder() const { return global("generate-files-in", "gitosis"); }

std::string GitosisConf::projects_list(const std::set<std::string>& on_disk) const {
  return rules_->projects_list(on_disk);
}

}  // namespace bk::server
