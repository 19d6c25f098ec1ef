#include "server/access/client_edit.h"

#include "common/error/error.h"
#include "common/path/names.h"
#include "common/text/escape.h"
#include "server/access/conf_text.h"
#include "server/access/home.h"

#include <fmt/format.h>

#include <algorithm>

namespace bk::server {
namespace {

void require_name(const std::string& name) {
  if (!is_safe_name(name) || name == kAdminName)
    throw Error(Kind::Usage, quoted(name) + " cannot be a client's name");
}

std::string key_file(const std::string& user) { return user + ".pub"; }

KeyFile* find_key(AdminTree& tree, const std::string& user) {
  const auto at = std::find_if(tree.keydir.begin(), tree.keydir.end(),
                               [&](const KeyFile& file) { return file.name == key_file(user); });
  return at == tree.keydir.end() ? nullptr : &*at;
}

std::string key_line(const std::string& key, const std::string& user) {
  const PublicKey parsed = parse_key_line(key);
  return parsed.type + " " + parsed.base64 + " " + user + "\n";
}

GitosisConf parse_gitosis(const AdminTree& tree) {
  std::vector<std::string> ignored;
  return GitosisConf::parse(tree.gitosis_conf.value_or(""), ignored);
}

bool may_write(const AdminTree& tree, const std::string& name) {
  return parse_gitosis(tree).find_writable(name, name).has_value();
}

std::string client_section(const std::string& name) { return "client " + name; }
std::string group_section(const std::string& name) { return "group " + name; }

// Whether [group NAME] is the one that add_client writes.
bool is_own_group(const ConfText& conf, const std::string& name) {
  const std::vector<std::string> body = conf.body(group_section(name));
  return body == std::vector<std::string>{"members = " + name, "writable = " + name};
}

// `name` may write the repository of its name; an existing right is enough.
void grant(AdminTree& tree, const std::string& name) {
  if (may_write(tree, name)) return;
  ConfText conf(tree.gitosis_conf.value_or(""));
  if (!conf.lines_with(name).empty())
    throw Error(Kind::Refused, fmt::format("gitosis.conf:{}: names {} already, without the right to write "
                                           "it: edit gitosis.conf, then run this again",
                                           conf.lines_with(name).front(), name));
  if (parse_gitosis(tree).grammar() == Grammar::Ini) {
    conf.append("[" + group_section(name) + "]", {"members = " + name, "writable = " + name});
  } else {
    conf.append("repo " + name, {"\tRW+ = " + name});
  }
  tree.gitosis_conf = conf.text();
}

// The name as a scope: "[keep NAME…]" -> "NAME" or "NAME:…"; nothing for other sections.
std::optional<std::string> scope_of(const std::string& section, std::string_view word,
                                    const std::string& name) {
  const std::string head = std::string(word) + " " + name;
  if (section == head || section.starts_with(head + ":")) return section.substr(word.size() + 1);
  return std::nullopt;
}

void copy_keep(ConfText& conf, const std::string& from, const std::string& to) {
  for (const std::string& section : conf.sections()) {
    const std::optional<std::string> scope = scope_of(section, "keep", from);
    if (!scope) continue;
    const std::string copy = "keep " + to + scope->substr(from.size());
    if (!conf.has(copy)) conf.append("[" + copy + "]", conf.body(section));
  }
}

void move_expect(ConfText& conf, const std::string& from, const std::string& to) {
  for (const std::string& section : conf.sections()) {
    const std::optional<std::string> scope = scope_of(section, "expect", from);
    if (!scope) continue;
    const std::string moved = "expect " + to + scope->substr(from.size());
    if (to.empty() || conf.has(moved)) {
      conf.remove(section);
    } else {
      conf.retitle(section, moved);
    }
  }
  conf.append("[expect " + from + "]", {"every = never"});
}

void require_client(const AdminTree& tree, const std::string& name) {
  AdminTree copy = tree;
  if (find_key(copy, name) == nullptr && !ConfText(tree.backline_conf.value_or("")).has(client_section(name)))
    throw Error(Kind::NotFound, "there is no client " + quoted(name) + " in gitosis-admin");
}

void note_leftovers(Edited& edited, const std::string& name) {
  for (const int line : ConfText(edited.tree.gitosis_conf.value_or("")).lines_with(name))
    edited.notes.push_back(fmt::format("gitosis.conf:{} still names {}", line, name));
}

}  // namespace

Edited add_client(const AdminTree& tree, const std::string& name, const ClientFacts& facts) {
  require_name(name);
  Edited out{tree, {}};
  const std::string line = key_line(facts.key, name);
  ConfText conf(out.tree.backline_conf.value_or(""));
  if (const KeyFile* known = find_key(out.tree, name); known == nullptr) {
    out.tree.keydir.push_back({key_file(name), line});
  } else if (known->bytes != line) {
    throw Error(Kind::Refused, "keydir/" + key_file(name) + " holds another key; see bk_access client rekey");
  }
  grant(out.tree, name);
  const PublicKey host = parse_key_line(facts.host_key);
  const std::vector<std::string> body{"address = " + facts.address,
                                      "hostkey = " + host.type + " " + host.base64};
  if (!conf.has(client_section(name))) {
    conf.append("[" + client_section(name) + "]", body);
    out.tree.backline_conf = conf.text();
  } else if (const std::vector<std::string> known = conf.body(client_section(name));
             !std::all_of(body.begin(), body.end(), [&](const std::string& one) {
               return std::find(known.begin(), known.end(), one) != known.end();
             })) {
    throw Error(Kind::Refused, "backline.conf: [" + client_section(name) +
                                   "] has another address or hostkey; see bk_access client rekey");
  }
  return out;
}

Edited rename_client(const AdminTree& tree, const std::string& from, const std::string& to) {
  require_name(to);
  require_client(tree, from);
  Edited out{tree, {}};
  ConfText backline(tree.backline_conf.value_or("")), gitosis(tree.gitosis_conf.value_or(""));
  if (find_key(out.tree, to) != nullptr || backline.has(client_section(to)) ||
      !gitosis.lines_with(to).empty())
    throw Error(Kind::Refused, "there is " + quoted(to) + " in gitosis-admin already");
  if (KeyFile* key = find_key(out.tree, from)) key->name = key_file(to);
  gitosis.retitle(group_section(from), group_section(to));
  gitosis.retitle("repo " + from, "repo " + to);
  gitosis.replace_line("repo " + from, "repo " + to);
  gitosis.replace_word(from, to);
  backline.retitle(client_section(from), client_section(to));
  backline.replace_word(from, to);
  copy_keep(backline, from, to);
  move_expect(backline, from, to);
  out.tree.gitosis_conf = gitosis.text();
  out.tree.backline_conf = backline.text();
  out.notes = {
      fmt::format("snapshots until today stay under {}; the first backup of {} reads everything", from, to),
      fmt::format("on the client: host and the URL in backupconfig.toml become {} and {}.git", to, to)};
  note_leftovers(out, from);
  return out;
}

Edited retire_client(const AdminTree& tree, const std::string& name) {
  require_client(tree, name);
  Edited out{tree, {}};
  std::erase_if(out.tree.keydir, [&](const KeyFile& file) { return file.name == key_file(name); });
  ConfText backline(tree.backline_conf.value_or("")), gitosis(tree.gitosis_conf.value_or(""));
  backline.remove(client_section(name));
  move_expect(backline, name, "");
  out.tree.backline_conf = backline.text();
  if (is_own_group(gitosis, name)) {
    gitosis.remove(group_section(name));
    out.tree.gitosis_conf = gitosis.text();
  }
  out.notes.push_back("its snapshots stay; bkdb rm removes them");
  note_leftovers(out, name);
  return out;
}

Edited rekey_client(const AdminTree& tree, const std::string& name, const ClientFacts& facts) {
  require_client(tree, name);
  Edited out{tree, {}};
  if (!facts.key.empty()) {
    const std::string line = key_line(facts.key, name);
    if (KeyFile* key = find_key(out.tree, name)) {
      key->bytes = line;
    } else {
      out.tree.keydir.push_back({key_file(name), line});
    }
  }
  if (facts.host_key.empty() && facts.address.empty()) return out;
  ConfText backline(tree.backline_conf.value_or(""));
  if (!backline.has(client_section(name)))
    throw Error(Kind::NotFound, "backline.conf has no [" + client_section(name) + "]");
  if (!facts.host_key.empty()) {
    const PublicKey host = parse_key_line(facts.host_key);
    backline.set(client_section(name), "hostkey", host.type + " " + host.base64);
  }
  if (!facts.address.empty()) backline.set(client_section(name), "address", facts.address);
  out.tree.backline_conf = backline.text();
  return out;
}

}  // namespace bk::server
