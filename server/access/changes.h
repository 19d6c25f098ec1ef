// What a push to gitosis-admin changes, in words: who gains what, who loses what.  Pure.
#pragma once

#include "server/access/admin_tree.h"

#include <string>
#include <vector>

namespace bk::server {

inline constexpr std::size_t kMostChangeLines = 200;
inline constexpr std::size_t kMostRightsCompared = 200000;

// One line each, sorted by what it is about: keys and rights of users who have a key before or after, rights
// of everybody, what git-daemon publishes, clients of backline.conf.  Empty when nothing changes for anybody.
// More than kMostChangeLines are counted instead, and beyond kMostRightsCompared rights are not compared,
// which is said.
[[nodiscard]] std::vector<std::string> describe_changes(const Rules& before, const Rules& after);

}  // namespace bk::server
