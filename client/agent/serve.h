// Carrying out what a server asked for, within consent.
#pragma once

#include "client/agent/command.h"
#include "client/agent/consent.h"
#include "common/log/log.h"

namespace bk::agent {

// Serves one command on the descriptors 0, 1 and 2, and writes a line to the log when it begins and when it
// ends.  Returns the exit status for the server.  Throws Refused (outside consent, or no Landlock), Transient
// (the line carried nothing any more), and what serve_tree throws.  Writes nothing but the log.
[[nodiscard]] int serve(const Consent& consent, const AgentCommand& command, const Log& log);

}  // namespace bk::agent
