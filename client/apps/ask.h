// What backup_it, backup_all and commit_backup_request share: queue requests, say what happened, wait.
#pragma once

#include "client/config/config.h"
#include "client/modules/expand.h"
#include "common/log/log.h"
#include "common/random/random.h"
#include "common/time/time.h"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace bk::client {

struct Asked {
  std::vector<std::string> ids;  // of the requests that answer, each once
  int status = 0;
};

// Queues what was expanded and prints one line per request; problems go to standard error.
// With `dry_run` nothing is written.
[[nodiscard]] Asked ask(const ClientConfig& config, const ServerConfig& server, const Expanded& expanded,
                        const Clock& clock, Random& random, bool dry_run);

// Runs send_request's work until every request has its outcome, or `limit` is over (nothing: no limit).
// Returns the worst outcome's status, kExitTryLater when time ran out.
[[nodiscard]] int wait_for(const ClientConfig& config, const ServerConfig& server,
                           const std::vector<std::string>& ids, std::optional<std::chrono::seconds> limit,
                           const Clock& clock, Random& random, const Log& log);

// The command line with "--wait 60" written as "--wait=60", which is how an optional value must stand.  The
// pointers are valid as long as `storage`.
[[nodiscard]] std::vector<const char*> join_wait(int argc, char** argv, std::vector<std::string>& storage);
// The value of --wait: "" is no limit.  Throws Usage.
[[nodiscard]] std::optional<std::chrono::seconds> wait_limit(const std::string& text);

}  // namespace bk::client
