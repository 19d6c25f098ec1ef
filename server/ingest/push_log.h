// Who pushed what: git's own log of refs/heads/requests, where bk_access has the key's user written.  Pure.
#pragma once

#include "common/git/oid.h"

#include <map>
#include <string>
#include <string_view>

namespace bk::server {

// Tip of a push -> user.  Lines that are not from a push through bk_access are left out.
[[nodiscard]] std::map<git::Oid, std::string> parse_push_log(std::string_view text);

}  // namespace bk::server
