#include "server/access/ini_rules.h"

#include "common/text/escape.h"
#include "server/access/access_names.h"
#include "server/access/ini_findings.h"

#include <algorithm>

namespace bk::server {
namespace {

bool is_group(const IniSection& section) { return section.name.starts_with(kGroupSection); }

// "writable" of "RW+" …; empty for a mode that INI does not have.
std::string key_of_mode(std::string_view mode) {
  if (mode == "R") return "readonly";
  if (mode == "RW" || mode == "RW+") return "writable";
  return mode == "readonly" || mode == "writable" || mode == "writeable" ? std::string(mode) : std::string();
}

}  // namespace

IniRules::IniRules(std::string_view text, Findings& findings) : ini_(parse_ini(text, kGitosisFile)) {
  find_oddities(ini_, findings);
  index(findings);
}

void IniRules::index(Findings& findings) {
  for (const auto& [key, value] : ini_.defaults.values) {
    if (is_regex_key(key)) compile(value, true, findings);
  }
  for (std::size_t i = 0; i < ini_.sections.size(); ++i) {
    const IniSection& section = ini_.sections[i];
    if (is_group(section)) {
      index_group(i);
      for (const auto& [key, value] : section.values) {
        if (is_regex_key(key)) compile(value, true, findings);
      }
    } else if (section.name.starts_with(kRepoSection)) {
      repos_.emplace(section.name.substr(kRepoSection.size()), i);
      if (const auto at = section.values.find("path"); at != section.values.end() && !at->second.text.empty())
        compile(at->second, false, findings);
    }
  }
}

void IniRules::index_group(std::size_t section) {
  const IniValue* members = ini_.find(ini_.sections[section], "members");
  if (members == nullptr) return;
  const std::vector<std::string> words = split_words(members->text);
  for (const std::string& member : std::set<std::string>(words.begin(), words.end()))
    by_member_[member].push_back(section);
}

void IniRules::compile(const IniValue& value, bool is_list, Findings& findings) {
  Patterns& patterns = patterns_[&value];
  const std::vector<std::string> words =
      is_list ? split_words(value.text) : std::vector<std::string>{value.text};
  for (const std::string& word : words) {
    if (++pattern_count_ > kMaxPatterns)
      refuse_line(kGitosisFile, value.line, "more than " + std::to_string(kMaxPatterns) + " patterns");
    std::string problem;
    if (const std::optional<Regex> regex = Regex::compile(word, problem)) {
      patterns.push_back({word, *regex});
    } else {
      findings.mistake(value.line, "pattern " + quoted(word.substr(0, 80)) + ": " + problem);
    }
  }
}

std::vector<std::size_t> IniRules::listing(const std::string& member) const {
  std::vector<std::size_t> merged, one, all;
  if (const auto found = by_member_.find(member); found != by_member_.end()) one = found->second;
  if (const auto found = by_member_.find("@all"); found != by_member_.end()) all = found->second;
  std::set_union(one.begin(), one.end(), all.begin(), all.end(), std::back_inserter(merged));
  return merged;
}

// gitosis's recursion (user -> groups listing it -> groups listing those …, each group once, in the file's
// order) as a loop, so that depth is bounded by memory and not by the stack.  The group "all" comes last.
std::vector<std::size_t> IniRules::sections_of(std::string_view user) const {
  struct Level {
    std::vector<std::size_t> sections;
    std::size_t next = 0;
  };
  std::vector<std::size_t> out;
  std::vector<bool> seen(ini_.sections.size(), false);
  std::vector<Level> stack;
  stack.push_back({listing(std::string(user)), 0});
  while (!stack.empty()) {
    Level& level = stack.back();
    if (level.next == level.sections.size()) {
      stack.pop_back();
      continue;
    }
    const std::size_t section = level.sections[level.next++];
    if (seen[section]) continue;
    seen[section] = true;
    out.push_back(section);
    stack.push_back({listing("@" + ini_.sections[section].name.substr(kGroupSection.size())), 0});
  }
  if (const IniSection* all = ini_.find_section("group all"))
    out.push_back(static_cast<std::size_t>(all - ini_.sections.data()));
  return out;
}

std::vector<std::string> IniRules::groups_of(std::string_view user) const {
  std::vector<std::string> out;
  for (const std::size_t section : sections_of(user))
    out.push_back(ini_.sections[section].name.substr(kGroupSection.size()));
  if (ini_.find_section("group all") == nullptr) out.emplace_back("all");
  return out;
}

const IniSection* IniRules::repo_section(std::string_view name) const {
  const auto at = repos_.find(name);
  return at == repos_.end() ? nullptr : &ini_.sections[at->second];
}

const IniRules::Patterns* IniRules::path_patterns(std::string_view repository) const {
  const IniSection* section = repo_section(repository);
  if (section == nullptr) return nullptr;
  const auto value = section->values.find("path");
  if (value == section->values.end()) return nullptr;
  const auto at = patterns_.find(&value->second);
  return at == patterns_.end() ? nullptr : &at->second;
}

namespace {

// True when one matches; patterns that run out of steps count, and after kMostSpent of them nothing is tried.
template <class Patterns>
bool any_match(const Patterns& patterns, std::string_view name, int& spent) {
  for (const auto& pattern : patterns) {
    if (spent >= kMostSpent) return false;
    const Regex::Answer answer = pattern.regex.match(name);
    if (answer == Regex::Answer::Yes) return true;
    if (answer == Regex::Answer::Spent) ++spent;
  }
  return false;
}

}  // namespace

std::optional<std::string> IniRules::mapped(const IniSection& group, const std::string& key,
                                            std::string_view path, int& spent) const {
  std::vector<std::string> words;
  if (const IniValue* list = ini_.find(group, key)) words = split_words(list->text);
  if (std::find(words.begin(), words.end(), path) != words.end()) return std::string(path);
  if (const IniValue* map = ini_.find(group, "map " + key + " " + std::string(path))) return map->text;
  if (const IniValue* list = ini_.find(group, key + "_regex")) {
    const auto at = patterns_.find(list);
    if (at != patterns_.end() && any_match(at->second, path, spent)) return std::string(path);
  }
  for (const std::string& word : words) {
    const Patterns* patterns = path_patterns(word);
    if (patterns != nullptr && any_match(*patterns, path, spent)) return std::string(path);
  }
  return std::nullopt;
}

std::string IniRules::prefix_of(const IniSection& group) const {
  const IniValue* prefix = ini_.find(group, "repositories");
  return prefix != nullptr ? prefix->text : global("repositories").value_or(std::string(kDefaultPrefix));
}

std::optional<Granted> IniRules::find_access(std::string_view user, std::string_view mode,
                                             std::string_view path) const {
  const std::string key = key_of_mode(mode);
  path = without_git(path);
  if (key.empty() || !is_repository_name(path)) return std::nullopt;
  int spent = 0;
  for (const std::size_t section : sections_of(user)) {
    const IniSection& group = ini_.sections[section];
    std::optional<std::string> found = mapped(group, key, path, spent);
    if (!found) continue;
    Granted granted{prefix_of(group), std::move(*found)};
    if (!is_repository_name(granted.path) || !is_repository_prefix(granted.prefix)) return std::nullopt;
    return granted;
  }
  return std::nullopt;
}

std::optional<Granted> IniRules::find_writable(std::string_view user, std::string_view path) const {
  std::optional<Granted> granted = find_access(user, "writable", path);
  return granted ? granted : find_access(user, "writeable", path);
}

std::optional<Granted> IniRules::find_readable(std::string_view user, std::string_view path) const {
  std::optional<Granted> granted = find_writable(user, path);
  return granted ? granted : find_access(user, "readonly", path);
}

void IniRules::add_list_rights(const IniSection& group, const std::string& key, RightsOf& out,
                               std::size_t most) const {
  const std::string prefix = prefix_of(group);
  const std::string folder = prefix == kDefaultPrefix ? "" : prefix + "/";
  const bool write = key != "readonly";
  const auto add = [&](const std::string& label) {
    if (out.size() <= most) out[label] = write || out[label];
  };
  const auto add_patterns = [&](const Patterns* patterns) {
    for (const Pattern& pattern : patterns != nullptr ? *patterns : Patterns())
      add("names like " + quoted(folder + pattern.text));
  };
  if (const IniValue* list = ini_.find(group, key)) {
    for (const std::string& word : split_words(list->text)) {
      if (is_repository_name(word)) add(folder + word);
      add_patterns(path_patterns(word));
    }
  }
  const auto regexes = patterns_.find(ini_.find(group, key + "_regex"));
  add_patterns(regexes != patterns_.end() ? &regexes->second : nullptr);
  const std::string map = "map " + key + " ";
  for (auto at = group.values.lower_bound(map); at != group.values.end() && at->first.starts_with(map); ++at)
    add(quoted(at->first.substr(map.size())) + " for " + folder + at->second.text);
}

bool IniRules::add_rights(std::string_view user, RightsOf& out, std::size_t most) const {
  for (const std::size_t section : sections_of(user)) {
    for (const char* key : {"writable", "writeable", "readonly"})
      add_list_rights(ini_.sections[section], key, out, most);
  }
  return out.size() <= most;
}

std::optional<std::string> IniRules::global(std::string_view key) const {
  const IniSection* section = ini_.find_section("gitosis");
  const IniValue* value = section != nullptr ? ini_.find(*section, key) : nullptr;
  return value != nullptr ? std::optional(value->text) : std::nullopt;
}

int IniRules::line_of_global(std::string_view key) const {
  const IniSection* section = ini_.find_section("gitosis");
  const IniValue* value = section != nullptr ? ini_.find(*section, key) : nullptr;
  return value != nullptr ? value->line : 1;
}

}  // namespace bk::server
