#include "server/access/ini_findings.h"

#include "common/text/escape.h"
#include "server/access/access_names.h"

#include <algorithm>
#include <array>

namespace bk::server {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

template <std::size_t N>
bool is_one_of(std::string_view word, const std::array<std::string_view, N>& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

void unknown(const std::string& key, const IniValue& value, Findings& findings) {
  findings.warn(value.line, "unknown key " + quoted(key) + " is ignored");
}

void check_boolean(const std::string& key, const IniValue& value, Findings& findings) {
  if (!parse_boolean(value.text))
    findings.mistake(value.line, key + ": " + quoted(value.text) + " is neither yes nor no");
}

void check_repositories(const IniValue& value, Findings& findings) {
  for (const std::string& word : split_words(value.text)) {
    if (is_repository_name(word)) {
      if (word.ends_with(".git"))
        findings.warn(value.line, quoted(word) + " is never asked for: names are written without .git");
    } else if (is_dangerous_name(word)) {
      findings.mistake(value.line, quoted(word.substr(0, 80)) + " is no repository name");
    } else {
      findings.warn(value.line,
                    quoted(word.substr(0, 80)) +
                        " is no repository name and never asked for (a comment is a line of its own)");
    }
  }
}

void check_map(const IniValue& value, Findings& findings) {
  if (!is_repository_name(value.text) || value.text.ends_with(".git"))
    findings.mistake(value.line, quoted(value.text) + " is no repository name (written without .git)");
}

void check_group_value(const std::string& key, const IniValue& value, Findings& findings) {
  if (key == "members") return;
  if (is_regex_key(key)) return;
  if (key == "repositories") {
    if (!is_repository_prefix(value.text))
      findings.mistake(value.line, quoted(value.text) + " is no folder name");
    return;
  }
  if (key == "writeable") findings.warn(value.line, "\"writeable\" is read as \"writable\"");
  if (key == "writable" || key == "writeable" || key == "readonly")
    return check_repositories(value, findings);
  if (key.starts_with("map writable ") || key.starts_with("map readonly ") ||
      key.starts_with("map writeable "))
    return check_map(value, findings);
  unknown(key, value, findings);
}

void check_global_value(const std::string& key, const IniValue& value, Findings& findings) {
  constexpr std::array<std::string_view, 5> kLevels{"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"};
  if (key == "repositories" || key == "ssh-authorized-keys-path" || key == "generate-files-in") {
    if (!is_repository_prefix(value.text)) findings.mistake(value.line, quoted(value.text) + " is no path");
  } else if (key == "gitweb" || key == "daemon") {
    check_boolean(key, value, findings);
  } else if (key == "loglevel") {
    if (!is_one_of(value.text, kLevels)) findings.warn(value.line, quoted(value.text) + " is no loglevel");
  } else {
    unknown(key, value, findings);
  }
}

void check_repo_value(const std::string& key, const IniValue& value, Findings& findings) {
  if (key == "gitweb" || key == "daemon") {
    check_boolean(key, value, findings);
  } else if (key != "description" && key != "owner" && key != "path") {
    unknown(key, value, findings);
  }
}

using Check = void (*)(const std::string&, const IniValue&, Findings&);

Check check_of(const IniSection& section) {
  if (section.name.starts_with(kGroupSection)) return check_group_value;
  if (section.name.starts_with(kRepoSection)) return check_repo_value;
  return section.name == "gitosis" ? check_global_value : nullptr;
}

}  // namespace

std::optional<bool> parse_boolean(std::string_view text) {
  const std::string word = lower(text);
  if (word == "1" || word == "yes" || word == "true" || word == "on") return true;
  if (word == "0" || word == "no" || word == "false" || word == "off") return false;
  return std::nullopt;
}

bool is_regex_key(std::string_view key) {
  return key == "writable_regex" || key == "readonly_regex" || key == "writeable_regex";
}

void find_oddities(const IniFile& ini, Findings& findings) {
  for (const auto& [key, value] : ini.defaults.values) check_group_value(key, value, findings);
  for (const IniSection& section : ini.sections) {
    if (const Check check = check_of(section)) {
      for (const auto& [key, value] : section.values) check(key, value, findings);
    } else if (section.name != "gitweb") {
      findings.warn(section.line, "unknown section " + quoted(section.name) + " is ignored");
    }
  }
}

}  // namespace bk::server
