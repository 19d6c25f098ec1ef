// A client that fetches its own snapshots back: the gate's second command, beside git.
#pragma once

#include "server/access/serve.h"

#include <string_view>

namespace bk::server {

// What restore_it asks the SSH server to run.
inline constexpr std::string_view kRestoreCommand = "backline restore";

// Throws Refused with the reason unless backline.conf says `[client USER] restore = yes`.
void require_restore_allowed(const std::string& home, const std::string& user);

// Becomes `bkdb serve` for the snapshots of the client of the user's name: under Landlock, the store and its
// index readable, of the snapshot records only this client's, nothing writable but a folder for spilled
// tables.  Returns only by throwing: Refused, Config, Io.
[[noreturn]] void serve_restore(const ServeRequest& request);

}  // namespace bk::server
