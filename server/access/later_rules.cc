#include "server/access/later_rules.h"

#include "common/text/escape.h"
#include "server/access/access_names.h"

#include <algorithm>
#include <array>

namespace bk::server {
namespace {

using Names = std::set<std::string, std::less<>>;

// In a list of R these two are git-daemon and gitweb, never users of these names.
bool is_pseudo_user(std::string_view user) { return user == "daemon" || user == "gitweb"; }

constexpr std::array<std::string_view, 6> kGlobalKeys{
    "loglevel", "decodeID", "extProps", "repositories", "generate-files-in", "ssh-authorized-keys-path"};

Names words_of(const IniValue& value, Findings& findings) {
  QuotedWords split = split_quoted(value.text);
  if (!split.problem.empty()) findings.mistake(value.line, split.problem + ": the list cannot be used");
  return {split.words.begin(), split.words.end()};
}

}  // namespace

LaterRules::LaterRules(std::string_view text, Findings& findings) {
  const LaterFile file = parse_later(text, kGitosisFile);
  gitosis_ = file.gitosis;
  check_globals(findings);
  for (const LaterFile::Group& group : file.groups) add_group(group, findings);
  for (const IniSection& section : file.repos) add_repo(section, findings);
}

void LaterRules::check_globals(Findings& findings) const {
  for (const auto& [key, value] : gitosis_) {
    if (std::find(kGlobalKeys.begin(), kGlobalKeys.end(), key) == kGlobalKeys.end()) {
      findings.warn(value.line, "unknown key " + quoted(key) + " is ignored");
    } else if (key == "extProps" && !value.text.empty()) {
      findings.warn(value.line, "extProps: programs that a configuration names are not run here");
    } else if ((key == "repositories" || key == "generate-files-in" || key == "ssh-authorized-keys-path") &&
               !is_repository_prefix(value.text)) {
      findings.mistake(value.line, quoted(value.text) + " is no path");
    }
  }
}

void LaterRules::add_group(const LaterFile::Group& group, Findings& findings) {
  for (const std::string& member : words_of(group.members, findings))
    by_member_[member].push_back(groups_.size());
  groups_.push_back(group.name);
}

void LaterRules::add_repo(const IniSection& section, Findings& findings) {
  Repo repo;
  repo.name = section.name;
  for (const auto& [key, value] : section.values) {
    if (key == "RW+") {
      repo.write = words_of(value, findings);
    } else if (key == "R") {
      repo.read = words_of(value, findings);
    } else if (key == "RW") {
      repo.rw = words_of(value, findings);
      findings.warn(value.line, "RW grants nothing in gitosis: write RW+");
    } else if (key == "path_regex") {
      repo.path_regex = value.text;
      std::string problem;
      if (!value.text.empty()) repo.regex = Regex::compile(value.text, problem);
      if (!problem.empty())
        findings.mistake(value.line, "pattern " + quoted(value.text.substr(0, 80)) + ": " + problem);
    } else if (key == "description") {
      repo.description = value.text;
    } else if (key == "owner") {
      repo.owner = value.text;
    } else {
      findings.warn(value.line, "unknown key " + quoted(key) + " is ignored");
    }
  }
  if (!is_repository_name(repo.name)) {
    const std::string text = quoted(repo.name.substr(0, 80)) + " is no repository name";
    if (is_dangerous_name(repo.name)) {
      findings.mistake(section.line, text);
    } else if (!repo.regex) {
      findings.warn(section.line, text + " and never asked for");
    }
  }
  by_name_[repo.name] = repos_.size();
  repos_.push_back(std::move(repo));
}

std::vector<std::string> LaterRules::groups_of(std::string_view user) const {
  std::vector<std::string> out;
  std::vector<bool> seen(groups_.size(), false);
  std::vector<std::string> members{std::string(user), "@all"};
  while (!members.empty()) {
    const std::string member = std::move(members.back());
    members.pop_back();
    const auto at = by_member_.find(member);
    if (at == by_member_.end()) continue;
    for (const std::size_t group : at->second) {
      if (seen[group]) continue;
      seen[group] = true;
      members.push_back(groups_[group]);
    }
  }
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    if (seen[i]) out.push_back(groups_[i]);
  }
  out.emplace_back("@all");
  return out;
}

const LaterRules::Repo* LaterRules::find_repo(std::string_view path) const {
  if (const auto at = by_name_.find(path); at != by_name_.end()) return &repos_[at->second];
  for (const Repo& repo : repos_) {
    if (!repo.regex) continue;
    const Regex::Answer answer = repo.regex->match(path);
    if (answer == Regex::Answer::Yes) return &repo;
    // Whether this one answers is open: what a later one grants, this one might have denied.
    if (answer == Regex::Answer::Spent) return nullptr;
  }
  return nullptr;
}

bool LaterRules::may(std::string_view user, const Groups& groups, std::string_view key, const Repo& repo) {
  const Names& list = key == "RW+" ? repo.write : key == "RW" ? repo.rw : repo.read;
  if (list.contains(user) && !(key == "R" && is_pseudo_user(user))) return true;
  return std::any_of(groups.begin(), groups.end(),
                     [&](const std::string& group) { return list.contains(group); });
}

std::optional<Granted> LaterRules::find_access(std::string_view user, std::string_view mode,
                                               std::string_view path) const {
  path = without_git(path);
  if (!is_repository_name(path)) return std::nullopt;
  const Repo* repo = find_repo(path);
  if (repo == nullptr) return std::nullopt;
  const Groups groups = groups_of(user);
  bool granted = false;
  if (mode == "RW+" || mode == "writable" || mode == "writeable") granted = may(user, groups, "RW+", *repo);
  if (mode == "readonly") granted = may(user, groups, "RW+", *repo) || may(user, groups, "R", *repo);
  if (mode == "R" || mode == "RW") granted = may(user, groups, mode, *repo);
  const std::string prefix = global("repositories").value_or(std::string(kDefaultPrefix));
  if (!granted || !is_repository_prefix(prefix)) return std::nullopt;
  return Granted{prefix, std::string(path)};
}

std::optional<Granted> LaterRules::find_writable(std::string_view user, std::string_view path) const {
  return find_access(user, "RW+", path);
}

std::optional<Granted> LaterRules::find_readable(std::string_view user, std::string_view path) const {
  return find_access(user, "readonly", path);
}

bool LaterRules::add_rights(std::string_view user, RightsOf& out, std::size_t most) const {
  const Groups groups = groups_of(user);
  for (const Repo& repo : repos_) {
    const bool write = may(user, groups, "RW+", repo);
    if (!write && !may(user, groups, "R", repo)) continue;
    if (is_repository_name(repo.name)) out[repo.name] = write;
    if (repo.regex) out["names like " + quoted(repo.path_regex)] = write;
    if (out.size() > most) return false;
  }
  return true;
}

std::optional<std::string> LaterRules::global(std::string_view key) const {
  const auto at = gitosis_.find(std::string(key));
  return at == gitosis_.end() ? std::nullopt : std::optional(at->second.text);
}

int LaterRules::line_of_global(std::string_view key) const {
  const auto at = gitosis_.find(std::string(key));
  return at == gitosis_.end() ? 1 : at->second.line;
}

Publication LaterRules::publication(std::string_view name) const {
  const Repo* repo = find_repo(name);
  if (repo == nullptr) return {};
  return {repo->read.contains("daemon"), repo->description, repo->owner};
}

std::string LaterRules::projects_list(const std::set<std::string>& on_disk) const {
  std::string out;
  for (const std::string& name : on_disk) {
    const Repo* repo = find_repo(name);
    if (repo == nullptr || !repo->read.contains("gitweb")) continue;
    if (!out.empty()) out += '\n';
    out += name + ".git";
  }
  return out;
}

}  // namespace bk::server
