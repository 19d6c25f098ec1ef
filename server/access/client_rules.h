// backline.conf: where each client's data comes from, and who may ask in its name
// (docs/formats/backline-conf.md).
//
// The administrator pushes it to gitosis-admin.git; only an accepted version is ever read here.
#pragma once

#include "server/access/expect.h"
#include "server/access/keep.h"
#include "server/pull/tree_rules.h"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bk::server {

struct ClientRules {
  std::string name;
  std::string address;             // "user@host[:port]", checked; empty: the client cannot be pulled from
  std::string host_key;            // "<type> <base64>", checked; empty as above
  std::vector<std::string> users;  // who may push besides the user of the client's own name
  bool restore = false;            // its key may fetch its own snapshots back
  std::optional<int> concurrency;  // pulls at once from this client, 1..64; nothing: the server's default
  std::uint64_t bandwidth = 0;     // bytes a second, all its pulls together; 0: as fast as it goes
  std::uint64_t quota = 0;         // the most bytes that it may occupy in the store; 0: no limit
  // A client with nothing but an SFTP server asks for nothing: these directories are pulled once per period.
  bool agent = true;
  std::vector<std::string> paths;  // absolute and clean, bytes
  std::chrono::seconds every{std::chrono::hours(24)};
  pull::TreeRules leave_out;  // of these directories
  bool operator==(const ClientRules&) const = default;
};

struct BacklineConf {
  std::map<std::string, ClientRules> clients;
  KeepConf keep = {};
  std::vector<ExpectRule> expected = {};
  [[nodiscard]] const ClientRules* find(const std::string& client) const;
  // The user of the client's own name, or one that [client NAME] users lists.
  [[nodiscard]] bool may_ask(std::string_view user, const std::string& client) const;
};

// Strict: an unknown section or key, or a key or section that comes twice throws Config
// "backline.conf:<line>: <reason>".
[[nodiscard]] BacklineConf parse_backline_conf(std::string_view text);

// The accepted rules of this installation; none before bk_access init.
[[nodiscard]] BacklineConf load_backline_conf(const std::string& home);

}  // namespace bk::server
