// From a push to gitosis-admin.git to the rules in force.
#pragma once

#include "common/git/repository.h"
#include "server/access/admin_tree.h"

#include <istream>
#include <string>

namespace bk::server {

// Reads gitosis.conf, backline.conf and keydir/ of a commit.  Throws Config for links, submodules and files
// that are too large.
[[nodiscard]] AdminTree read_admin_tree(const git::Repository& repository, const git::Oid& commit);

// The moment at which a push is judged: a day ahead, because a key's expiry without 'Z' is in the server's
// zone.
[[nodiscard]] std::string moment_of_expiry();

// The pre-receive hook of gitosis-admin.git: "<old> <new> <ref>" lines on `lines`.  Throws Refused with the
// reason; warnings and what changes for whom go to standard error, which git shows to the pusher.
void check_admin_push(const std::string& home, std::istream& lines);

// Makes the tip of gitosis-admin.git the rules in force: checks it, writes the accepted copies, then
// authorized_keys, and ends the running sessions of users who lost a key or got other limits on one.  Durable
// when it returns; repeating it is harmless; a crash in between is ended by the next call.
struct UpdateReport {
  std::vector<std::string> warnings, notices;
};
UpdateReport update_access(const std::string& home);

// update_access() and publish_all() when the last ones did not end (a hook may never have run).  Errors leave
// the old rules in force and are returned as one line; else empty.
[[nodiscard]] std::string refresh_access(const std::string& home);

// The rules in force.  Throws Config before `bk_access init`.
[[nodiscard]] GitosisConf load_gitosis_conf(const std::string& home);

}  // namespace bk::server
