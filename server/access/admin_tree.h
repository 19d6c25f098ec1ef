// The content of gitosis-admin.git, checked as a whole.  Pure.
#pragma once

#include "server/access/client_rules.h"
#include "server/access/gitosis_conf.h"
#include "server/access/key.h"

#include <optional>
#include <string>
#include <vector>

namespace bk::server {

struct AdminTree {
  std::optional<std::string> gitosis_conf, backline_conf;
  std::vector<KeyFile> keydir;
  std::vector<std::string> warnings;  // of reading it
};

struct Rules {
  GitosisConf conf;
  BacklineConf backline;
  std::vector<UserKey> keys;
  std::vector<std::string> warnings;
};

// Throws Config with file, line and reason: any of the three parts is wrong, there is no gitosis.conf, a
// repositories folder other than this installation's is asked for, or nobody with a key that still works at
// `moment` ("YYYYMMDDHHMMSS"; empty: no key counts as expired) could push to gitosis-admin any more.
[[nodiscard]] Rules check_admin_tree(const AdminTree& tree, std::string_view moment = {});

}  // namespace bk::server
