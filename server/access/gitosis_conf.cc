#include "server/access/gitosis_conf.h"

#include "common/error/error.h"
#include "common/path/names.h"
#include "common/text/escape.h"

#include <algorithm>
#include <set>

namespace bk::server {
namespace {

constexpr std::string_view kFile = "gitosis.conf";
constexpr std::string_view kGroup = "group ";
constexpr std::string_view kRepo = "repo ";

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_alnum(char c) { return is_letter(c) || (c >= '0' && c <= '9'); }

bool all_of(std::string_view text, std::string_view also) {
  return std::all_of(text.begin(), text.end(),
                     [&](char c) { return is_alnum(c) || also.find(c) != std::string_view::npos; });
}

bool is_gitosis_user(std::string_view name) {
  const std::size_t sign = std::min(name.find('@'), name.size());
  const std::string_view local = name.substr(0, sign);
  if (local.empty() || !is_letter(local.front()) || !all_of(local, "_.-")) return false;
  if (sign == name.size()) return true;
  const std::string_view host = name.substr(sign + 1);
  return !host.empty() && is_letter(host.front()) && all_of(host, ".-");
}

// Where repositories may lie: below the home, or an absolute path.
bool is_prefix(std::string_view path) {
  return path == "." || is_clean_absolute(path) || (!path.empty() && RelPath::from(path).has_value());
}

bool is_known_global(std::string_view key) {
  static const std::set<std::string_view> known{
      "repositories", "loglevel", "gitweb", "daemon", "generate-files-in", "ssh-authorized-keys-path"};
  return known.count(key) > 0;
}

std::string at(int line, std::string_view text) {
  return std::string(kFile) + ":" + std::to_string(line) + ": " + std::string(text);
}

void check_list(const IniValue& value, std::string_view what, bool (*legal)(std::string_view)) {
  for (const std::string& word : split_words(value.text)) {
    if (!legal(word))
      refuse_line(kFile, value.line, quoted(word.substr(0, 80)) + " is no " + std::string(what));
  }
}

bool is_member(std::string_view word) {
  // Anything else can never match a key's user: harmless, and gitosis reads it ("# note" in a list).
  return word.size() <= 256;
}

void check_group_value(const std::string& key, const IniValue& value, std::vector<std::string>& warnings) {
  if (key == "members") return check_list(value, "member", is_member);
  if (key == "writable" || key == "readonly") return check_list(value, "repository name", is_repository_name);
  if (key == "writeable") {
    warnings.push_back(at(value.line, "\"writeable\" is read as \"writable\""));
    return check_list(value, "repository name", is_repository_name);
  }
  if (key == "repositories") {
    if (!is_prefix(value.text)) refuse_line(kFile, value.line, quoted(value.text) + " is no folder name");
    return;
  }
  for (const std::string_view map : {"map writable ", "map readonly ", "map writeable "}) {
    if (!key.starts_with(map)) continue;
    if (!is_repository_name(value.text) || value.text.ends_with(".git"))
      refuse_line(kFile, value.line, quoted(value.text) + " is no repository name (written without .git)");
    return;
  }
  warnings.push_back(at(value.line, "unknown key " + quoted(key) + " is ignored"));
}

void check_global_value(const std::string& key, const IniValue& value, std::vector<std::string>& warnings) {
  if (!is_known_global(key)) {
    warnings.push_back(at(value.line, "unknown key " + quoted(key) + " is ignored"));
  } else if (key == "repositories" || key == "ssh-authorized-keys-path") {
    if (!is_prefix(value.text)) refuse_line(kFile, value.line, quoted(value.text) + " is no path");
  } else if (key != "loglevel") {
    warnings.push_back(at(value.line, quoted(key) + " has no effect in this version"));
  }
}

}  // namespace

bool is_user_name(std::string_view name) {
  return name.size() <= 128 && (is_gitosis_user(name) || is_safe_name(name));
}

bool is_repository_name(std::string_view name) {
  if (name.size() > 1024) return false;
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    const std::string_view part = name.substr(begin, end - begin);
    if (part.empty() || part.size() > 250 || !is_alnum(part.front()) || !all_of(part, "@._-")) return false;
    begin = end + 1;
  }
  return true;
}

GitosisConf GitosisConf::parse(std::string_view text, std::vector<std::string>& warnings) {
  GitosisConf conf;
  conf.ini_ = parse_ini(text, kFile);
  conf.check(warnings);
  conf.index_members();
  return conf;
}

void GitosisConf::check(std::vector<std::string>& warnings) const {
  for (const auto& [key, value] : ini_.defaults.values) check_group_value(key, value, warnings);
  for (const IniSection& section : ini_.sections) {
    if (section.name.starts_with(kGroup)) {
      for (const auto& [key, value] : section.values) check_group_value(key, value, warnings);
    } else if (section.name == "gitosis") {
      for (const auto& [key, value] : section.values) check_global_value(key, value, warnings);
    } else if (section.name.starts_with(kRepo)) {
      if (!section.values.empty())
        warnings.push_back(at(section.line, "[" + section.name + "] has no effect in this version"));
    } else if (section.name != "gitweb") {
      warnings.push_back(at(section.line, "unknown section " + quoted(section.name) + " is ignored"));
    }
  }
}

void GitosisConf::index_members() {
  for (std::size_t i = 0; i < ini_.sections.size(); ++i) {
    const IniSection& section = ini_.sections[i];
    group_names_.emplace_back(section.name.starts_with(kGroup) ? section.name.substr(kGroup.size()) : "");
    if (group_names_.back().empty()) continue;
    const IniValue* members = ini_.find(section, "members");
    if (members == nullptr) continue;
    const std::vector<std::string> words = split_words(members->text);
    for (const std::string& member : std::set<std::string>(words.begin(), words.end()))
      by_member_[member].push_back(i);
  }
}

// gitosis's recursion (user -> groups listing it -> groups listing those …, each group once, in the file's
// order) as a loop, so that depth is bounded by memory and not by the stack.
std::vector<std::string> GitosisConf::groups_of(std::string_view user) const {
  const auto listing = [&](const std::string& member) {
    std::vector<std::size_t> merged, one, all;
    if (const auto found = by_member_.find(member); found != by_member_.end()) one = found->second;
    if (const auto found = by_member_.find("@all"); found != by_member_.end()) all = found->second;
    std::set_union(one.begin(), one.end(), all.begin(), all.end(), std::back_inserter(merged));
    return merged;
  };
  struct Level {
    std::vector<std::size_t> sections;
    std::size_t next = 0;
  };
  std::vector<std::string> out;
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
    out.push_back(group_names_[section]);
    stack.push_back({listing("@" + group_names_[section]), 0});
  }
  out.emplace_back("all");
  return out;
}

std::optional<Granted> GitosisConf::find_access(std::string_view user, std::string_view mode,
                                                std::string_view path) const {
  if (path.ends_with(".git") && path.size() > 4) path.remove_suffix(4);
  for (const std::string& group : groups_of(user)) {
    const IniSection* section = ini_.find_section(std::string(kGroup) + group);
    if (section == nullptr) continue;
    std::optional<std::string> mapped;
    if (const IniValue* list = ini_.find(*section, mode)) {
      const std::vector<std::string> words = split_words(list->text);
      if (std::find(words.begin(), words.end(), path) != words.end()) mapped = path;
    }
    if (!mapped) {
      const IniValue* map = ini_.find(*section, "map " + std::string(mode) + " " + std::string(path));
      if (map != nullptr) mapped = map->text;
    }
    if (!mapped) continue;
    const IniValue* prefix = ini_.find(*section, "repositories");
    return Granted{prefix != nullptr ? prefix->text : repositories(), *mapped};
  }
  return std::nullopt;
}

std::optional<Granted> GitosisConf::find_writable(std::string_view user, std::string_view path) const {
  std::optional<Granted> granted = find_access(user, "writable", path);
  return granted ? granted : find_access(user, "writeable", path);
}

std::optional<Granted> GitosisConf::find_readable(std::string_view user, std::string_view path) const {
  std::optional<Granted> granted = find_writable(user, path);
  return granted ? granted : find_access(user, "readonly", path);
}

std::string GitosisConf::global(std::string_view key, std::string_view otherwise) const {
  const IniSection* section = ini_.find_section("gitosis");
  const IniValue* value = section != nullptr ? ini_.find(*section, key) : nullptr;
  return value != nullptr ? value->text : std::string(otherwise);
}

std::string GitosisConf::repositories() const { return global("repositories", "repositories"); }

void GitosisConf::require_repositories(std::string_view folder) const {
  const auto require = [&](const IniSection& section) {
    const auto at = section.values.find("repositories");
    if (at != section.values.end() && at->second.text != folder)
      refuse_line(kFile, at->second.line,
                  "repositories: this version keeps all of them in " + quoted(folder));
  };
  require(ini_.defaults);
  for (const IniSection& section : ini_.sections) require(section);
}

std::string GitosisConf::authorized_keys_path() const {
  return global("ssh-authorized-keys-path", ".ssh/authorized_keys");
}

}  // namespace bk::server
