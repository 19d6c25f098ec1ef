// Running sessions of keys, so that a key that is withdrawn ends what it began.
//
// Each `bk_access serve` makes a file in gitosis-admin.git/backline/sessions and holds a POSIX record lock on
// it, which the process keeps through exec and no other process inherits: the kernel names the holder, so a
// process id is never taken from a file, and a signal reaches the holder through a pidfd that was opened
// while it held the lock.
#pragma once

#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace bk::server {

// Registers this process until it ends, also through exec.  Sets BACKLINE_SESSION in the environment for
// hooks. Files of ended sessions are removed.  Throws Io.
void begin_session(const std::string& home, const std::string& user);

// Throws Refused when the user's keys were changed or withdrawn after this process's connection was made: the
// key that opened it may be one of them, and one connection can carry many sessions.
void require_newer_connection(const std::string& home, const std::string& user);

struct EndedSessions {
  std::size_t ended = 0;
  bool own = false;                   // the caller's own is one of them: it was left alone
  std::vector<std::string> problems;  // what did not end in time
};
// Ends the running sessions of these users: TERM to the session's process group, KILL after `grace`.  Returns
// after 2 * grace at the latest.
EndedSessions end_sessions(const std::string& home, const std::set<std::string>& users,
                           std::chrono::milliseconds grace = std::chrono::seconds(5));

// Remembers, durably, that the keys of these users changed now; for require_newer_connection.
void note_key_changes(const std::string& home, const std::set<std::string>& users);

}  // namespace bk::server
