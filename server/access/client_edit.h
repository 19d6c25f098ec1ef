// Clients added to, renamed in and taken out of gitosis-admin: the edits an administrator would make by hand.
// Pure: a tree in, a tree out.
//
// Every edit changes keydir/, gitosis.conf and backline.conf together; what comes out is still to be judged
// by check_admin_tree.  Names are checked, and Refused is thrown for what would overwrite something.
#pragma once

#include "server/access/admin_tree.h"

#include <string>
#include <vector>

namespace bk::server {

struct ClientFacts {
  std::string address;   // user@host[:port]
  std::string host_key;  // "<type> <base64>"
  std::string key;       // the client's own key
  bool operator==(const ClientFacts&) const = default;
};

struct Edited {
  AdminTree tree;
  std::vector<std::string> notes;  // what the administrator should know or do, each one line
};

// keydir/NAME.pub, a group or repo that may write NAME, [client NAME].  The same client again changes
// nothing.
[[nodiscard]] Edited add_client(const AdminTree& tree, const std::string& name, const ClientFacts& facts);

// Snapshots stay under the old name: its [keep] sections are copied, its [expect] sections go to the new one.
[[nodiscard]] Edited rename_client(const AdminTree& tree, const std::string& from, const std::string& to);

// No key, no address, no rights; [keep] stays, because the snapshots do, and nobody expects new ones.
[[nodiscard]] Edited retire_client(const AdminTree& tree, const std::string& name);

// Empty fields of `facts` stay as they are.
[[nodiscard]] Edited rekey_client(const AdminTree& tree, const std::string& name, const ClientFacts& facts);

}  // namespace bk::server
