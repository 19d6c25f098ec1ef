// Carrying out what a server asked for, within consent.
#pragma once

#include "client/agent/access_log.h"
#include "client/agent/command.h"
#include "client/agent/consent.h"
#include "common/log/log.h"

namespace bk::agent {

// Serves one command on the descriptors 0, 1 and 2, and writes to the logs when it begins and when it
// ends.  Returns the exit status for the server.  Throws Refused (outside consent, or no Landlock), Transient
// (the line carried nothing any more), and what serve_tree throws.  Writes nothing but the log.
[[nodiscard]] int serve(const Consent& consent, const AgentCommand& command, const Log& log,
                        AccessLog& access);

}  // namespace bk::agent
