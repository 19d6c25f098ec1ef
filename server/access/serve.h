// The forced command: from SSH_ORIGINAL_COMMAND to a confined git.
#pragma once

#include "server/access/gate.h"

#include <string>
#include <string_view>

namespace bk::server {

struct ServeRequest {
  std::string home;
  std::string user;     // of the key; the only identity there is
  std::string command;  // SSH_ORIGINAL_COMMAND
};

// Becomes `git receive-pack` or `git upload-pack` on the one repository that the user was granted, making it
// when it is missing: under Landlock (that repository, TODO/<client> and log writable, nothing of the store
// even readable), with limits on memory, CPU time and duration.  Returns only by throwing: Refused with
// gitosis's message, Config, Io.
[[noreturn]] void serve(const ServeRequest& request);

}  // namespace bk::server
