// Running a module's cmd for a request in progress.
#pragma once

#include "client/config/config.h"
#include "client/queue/queue.h"
#include "common/log/log.h"
#include "common/time/time.h"

#include <string>
#include <vector>

namespace bk::client {

struct Workshop {
  const ClientConfig& config;
  Queue& queue;
  const Log& log;
  const Clock& clock;
};

// The program a module's cmd names: absolute, or in <home>/scripts/cmds, or in cmds/ beside this program.
// Throws Config when it is not there or cannot be run.
[[nodiscard]] std::string find_cmd(const ClientConfig& config, const ModuleConfig& module);

// Runs the cmds of these requests (P, Preparing), at most config.parallel at once, each in its own process
// group, without a shell, in a clean environment (ready.h), within the module's time limit.  Each request is
// then durably Prepared, or back to waiting, or finished as failed; returned as it is now.
// Holds the archives (hold_archives) while it works.  A failing cmd is no exception; Io of the queue is.
[[nodiscard]] std::vector<Queued> prepare_all(const Workshop& workshop, std::vector<Queued> items);

}  // namespace bk::client
