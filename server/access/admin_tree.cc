#include "server/access/admin_tree.h"

#include "common/error/error.h"
#include "common/text/escape.h"
#include "server/access/home.h"
#include "server/access/key_limits.h"

#include <algorithm>
#include <set>

namespace bk::server {
namespace {

void require_administrator(const Rules& rules, std::string_view moment) {
  for (const UserKey& key : rules.keys) {
    if (is_expired(key.limits, moment)) continue;
    const std::optional<std::string> person = rules.conf.person(key.user);
    if (person && rules.conf.find_writable(*person, kAdminName)) return;
  }
  throw Error(Kind::Config, std::string("gitosis.conf: nobody with a key in keydir/ may write ") +
                                kAdminName + ": that would lock every administrator out");
}

void warn_of_clients(Rules& rules) {
  std::set<std::string> users;
  for (const UserKey& key : rules.keys) users.insert(key.user);
  for (const auto& [name, client] : rules.backline.clients) {
    const auto is_known = [&](const std::string& user) { return users.count(user) > 0; };
    if (!is_known(name) && std::none_of(client.users.begin(), client.users.end(), is_known))
      rules.warnings.push_back("backline.conf: client " + quoted(name) +
                               ": no key in keydir/ for anybody who may ask");
    if (client.address.empty() || client.host_key.empty())
      rules.warnings.push_back("backline.conf: client " + quoted(name) +
                               ": without address and hostkey nothing can be pulled from it");
  }
}

}  // namespace

Rules check_admin_tree(const AdminTree& tree, std::string_view moment) {
  if (!tree.gitosis_conf) throw Error(Kind::Config, "gitosis.conf is missing");
  Rules rules;
  rules.warnings = tree.warnings;
  rules.conf = GitosisConf::parse(*tree.gitosis_conf, rules.warnings);
  if (!rules.conf.mistakes().empty()) throw Error(Kind::Config, rules.conf.mistakes().front());
  rules.conf.require_repositories("repositories");
  if (tree.backline_conf) rules.backline = parse_backline_conf(*tree.backline_conf);
  rules.keys = read_keys(tree.keydir, rules.warnings);
  require_administrator(rules, moment);
  warn_of_clients(rules);
  return rules;
}

}  // namespace bk::server
