// What git-daemon and gitweb are told of the repositories: git-daemon-export-ok, description, gitweb.owner,
// projects.list (docs/formats/gitosis-conf.md, Publishing).
#pragma once

#include "server/access/gitosis_conf.h"

#include <set>
#include <string>
#include <vector>

namespace bk::server {

// Names of the repositories below <home>/repositories, without ".git"; what lies inside a repository is none.
[[nodiscard]] std::set<std::string> repositories_on_disk(const std::string& home);

// Puts every repository on disk and projects.list into the state that the rules in force ask for, unless that
// was done for this version of them already.  Durable; repeating it is harmless.  Returns what could not be
// done, a line each: one repository never keeps the others waiting.
std::vector<std::string> publish_all(const std::string& home);

// The same for one repository that was just made.
std::vector<std::string> publish_one(const std::string& home, const GitosisConf& conf,
                                     const std::string& name);

// A git config with `owner` in its section gitweb; the rest byte for byte.  Pure.
[[nodiscard]] std::string config_with_owner(std::string_view config, std::string_view owner);

}  // namespace bk::server
