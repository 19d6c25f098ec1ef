// One run of send_request for one server.
#pragma once

#include "client/config/config.h"
#include "client/queue/queue.h"
#include "common/log/log.h"
#include "common/random/random.h"
#include "common/time/time.h"

#include <functional>
#include <string>

namespace bk::client {

struct SendContext {
  const ClientConfig& config;
  const Clock& clock;
  Random& random;
  const Log& log;
  std::function<void(const std::string&)> say;       // one line of good news
  std::function<void(const std::string&)> complain;  // one line of bad news
};

// Recovers, prepares what is due (`now`: also what waits for its next attempt), pushes, reads receipts; again
// until nothing due is left.  Returns the worst of: the outcomes it read, cmds that failed, damaged queue
// files, the line's error.  kExitTryLater when another send_request works on this server; nothing was done
// then.
[[nodiscard]] int send_to(const SendContext& context, const ServerConfig& server, bool now);

}  // namespace bk::client
