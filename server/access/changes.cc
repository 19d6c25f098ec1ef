#include "server/access/changes.h"

#include "common/text/escape.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace bk::server {
namespace {

constexpr const char* kEverybody = "@all";

using KeysOf = std::map<std::string, std::map<PublicKey, KeyLimits>>;

KeysOf keys_of(const Rules& rules) {
  KeysOf out;
  for (const UserKey& key : rules.keys) out[key.user][key.key] = key.limits;
  return out;
}

std::string shown(const PublicKey& key) { return key.type + " " + fingerprint_of(key); }

// "write a, b; read c"
std::string listed(const std::vector<std::string>& write, const std::vector<std::string>& read) {
  const auto joined = [](const char* word, const std::vector<std::string>& names) {
    std::string out = names.empty() ? "" : std::string(word) + " ";
    for (std::size_t i = 0; i < names.size(); ++i) out += (i > 0 ? ", " : "") + names[i];
    return out;
  };
  return joined("write", write) + (write.empty() || read.empty() ? "" : "; ") + joined("read", read);
}

class Comparison {
 public:
  Comparison(const Rules& before, const Rules& after)
      : before_(before), after_(after), keys_before_(keys_of(before)), keys_after_(keys_of(after)) {}

  std::vector<std::string> take() {
    std::set<std::string> users;
    for (const auto* keys : {&keys_before_, &keys_after_}) {
      for (const auto& [user, list] : *keys) users.insert(user);
    }
    all_before_ = rights(before_, kEverybody);
    all_after_ = rights(after_, kEverybody);
    compare_rights("everybody with a key", all_before_, all_after_);
    for (const std::string& user : users) {
      compare_keys(user);
      compare_rights(user, own_rights(before_, keys_before_, all_before_, user),
                     own_rights(after_, keys_after_, all_after_, user));
    }
    compare_publication();
    compare_clients();
    return finish();
  }

 private:
  void say(std::string line) {
    if (lines_.size() < kMostChangeLines) {
      lines_.push_back(std::move(line));
    } else {
      ++unsaid_;
    }
  }

  std::vector<std::string> finish() {
    if (unsaid_ > 0) lines_.push_back(fmt::format("… and {} more changes", unsaid_));
    if (too_many_) lines_.push_back("too many rights to compare all of them");
    return std::move(lines_);
  }

  RightsOf rights(const Rules& rules, std::string_view person) {
    RightsOf out;
    if (compared_ >= kMostRightsCompared ||
        !rules.conf.add_rights(person, out, kMostRightsCompared - compared_))
      too_many_ = true;
    compared_ += out.size();
    for (const auto& [name, write] : out) names_.insert(name);
    return too_many_ ? RightsOf{} : out;
  }

  // Without what everybody may: that is said once.
  RightsOf own_rights(const Rules& rules, const KeysOf& keys, const RightsOf& everybodys,
                      const std::string& user) {
    const std::optional<std::string> person = rules.conf.person(user);
    if (!keys.contains(user) || !person) return {};
    RightsOf own = rights(rules, *person);
    std::erase_if(own, [&](const auto& right) {
      const auto at = everybodys.find(right.first);
      return at != everybodys.end() && (at->second || !right.second);
    });
    return own;
  }

  void compare_rights(const std::string& who, const RightsOf& before, const RightsOf& after) {
    const auto gained = [](const RightsOf& from, const RightsOf& to, bool write) {
      std::vector<std::string> out;
      for (const auto& [name, writes] : to) {
        const auto had = from.find(name);
        if (writes == write && (had == from.end() || (write && !had->second))) out.push_back(name);
      }
      return out;
    };
    const std::string more = listed(gained(before, after, true), gained(before, after, false));
    const std::string less = listed(gained(after, before, true), gained(after, before, false));
    if (!more.empty()) say(who + " gains " + more);
    if (!less.empty()) say(who + " loses " + less);
  }

  void compare_keys(const std::string& user) {
    static const std::map<PublicKey, KeyLimits> kNone;
    const auto of = [&](const KeysOf& keys) -> const std::map<PublicKey, KeyLimits>& {
      const auto at = keys.find(user);
      return at == keys.end() ? kNone : at->second;
    };
    const auto &before = of(keys_before_), &after = of(keys_after_);
    for (const auto& [key, limits] : after) {
      const auto had = before.find(key);
      if (had == before.end()) {
        say(user + " gains the key " + shown(key));
      } else if (had->second != limits) {
        say(user + ": from= or expiry-time= of the key " + shown(key) + " changes");
      }
    }
    for (const auto& [key, limits] : before) {
      if (!after.contains(key)) say(user + " loses the key " + shown(key));
    }
  }

  void compare_publication() {
    for (const std::string& name : names_) {
      if (!is_repository_name(name)) continue;
      const bool was = before_.conf.publication(name).daemon, is = after_.conf.publication(name).daemon;
      if (was != is)
        say(std::string("anybody, through git-daemon, ") + (is ? "gains" : "loses") + " read " + name);
    }
  }

  void compare_clients() {
    const auto& before = before_.backline.clients;
    const auto& after = after_.backline.clients;
    for (const auto& [name, client] : after) {
      const auto was = before.find(name);
      if (was == before.end()) say("client " + name + " is new");
      compare_client(was == before.end() ? ClientRules{} : was->second, client, name);
    }
    for (const auto& [name, client] : before) {
      if (!after.contains(name)) say("client " + name + " is gone: nothing is pulled from it any more");
    }
  }

  void compare_client(const ClientRules& before, const ClientRules& after, const std::string& name) {
    if (before.address != after.address)
      say("client " + name + ": address " + (before.address.empty() ? "" : "changes to ") +
          quoted(after.address));
    if (before.host_key != after.host_key && !before.host_key.empty())
      say("client " + name + ": host key changes");
    if (before.restore != after.restore)
      say(name + (after.restore ? " gains" : " loses") + " restoring its own snapshots");
    const std::set<std::string> had(before.users.begin(), before.users.end());
    const std::set<std::string> has(after.users.begin(), after.users.end());
    for (const std::string& user : has) {
      if (!had.contains(user)) say(user + " gains asking for " + name);
    }
    for (const std::string& user : had) {
      if (!has.contains(user)) say(user + " loses asking for " + name);
    }
  }

  const Rules &before_, &after_;
  KeysOf keys_before_, keys_after_;
  RightsOf all_before_, all_after_;
  std::set<std::string> names_;  // that any right mentions
  std::vector<std::string> lines_;
  std::size_t unsaid_ = 0, compared_ = 0;
  bool too_many_ = false;
};

}  // namespace

std::vector<std::string> describe_changes(const Rules& before, const Rules& after) {
  return Comparison(before, after).take();
}

}  // namespace bk::server
