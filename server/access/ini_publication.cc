// What git-daemon and gitweb are told, in the INI grammar.
#include "server/access/access_names.h"
#include "server/access/ini_findings.h"
#include "server/access/ini_rules.h"

namespace bk::server {
namespace {

// Python's urllib.quote_plus.
std::string quote_plus(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
        c == '-') {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      out += {'%', kHex[byte >> 4U], kHex[byte & 15U]};
    }
  }
  return out;
}

}  // namespace

bool IniRules::flag(const IniSection* section, std::string_view key, bool otherwise) const {
  const IniValue* value = section != nullptr ? ini_.find(*section, key) : nullptr;
  return value != nullptr ? parse_boolean(value->text).value_or(false) : otherwise;
}

// A section of the repository's own name, else the first whose `path` matches it.
Publication IniRules::publication(std::string_view name) const {
  const IniSection* section = repo_section(name);
  int spent = 0;
  for (std::size_t i = 0; section == nullptr && i < ini_.sections.size(); ++i) {
    const IniSection& candidate = ini_.sections[i];
    if (!candidate.name.starts_with(kRepoSection)) continue;
    const Patterns* patterns = path_patterns(candidate.name.substr(kRepoSection.size()));
    for (std::size_t k = 0; patterns != nullptr && k < patterns->size() && spent < kMostSpent; ++k) {
      const Regex::Answer answer = (*patterns)[k].regex.match(name);
      if (answer == Regex::Answer::Yes) section = &candidate;
      if (answer == Regex::Answer::Spent) ++spent;
    }
  }
  Publication out;
  const bool everywhere = parse_boolean(global("daemon").value_or("no")).value_or(false);
  // The administrator's own repository is published only when it is named.
  out.daemon = flag(section, "daemon", everywhere && name != "gitosis-admin");
  if (section == nullptr) return out;
  if (const IniValue* value = ini_.find(*section, "description")) out.description = value->text;
  return out;
}

std::string IniRules::projects_list(const std::set<std::string>& on_disk) const {
  const bool everywhere = parse_boolean(global("gitweb").value_or("no")).value_or(false);
  std::string out;
  for (const IniSection& section : ini_.sections) {
    if (!section.name.starts_with(kRepoSection) || !flag(&section, "gitweb", everywhere)) continue;
    const std::vector<std::string> words = split_words(section.name);
    if (words.size() < 2) continue;
    const IniValue* owner = ini_.find(section, "owner");
    const auto add = [&](const std::string& name) {
      out += quote_plus(name) + (owner != nullptr ? " " + quote_plus(owner->text) : "") + "\n";
    };
    const std::string name = section.name.substr(section.name.find(words[1], kRepoSection.size() - 1));
    const Patterns* patterns = path_patterns(section.name.substr(kRepoSection.size()));
    if (patterns == nullptr || on_disk.contains(name)) add(on_disk.contains(name) ? name + ".git" : name);
    if (patterns == nullptr || patterns->empty()) continue;
    for (const std::string& other : on_disk) {
      if (repo_section(other) == nullptr && patterns->front().regex.match(other) == Regex::Answer::Yes)
        add(other + ".git");
    }
  }
  return out;
}

}  // namespace bk::server
