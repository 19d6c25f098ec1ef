// One claimed request from its P file to its F file, in a process of its own (bk_pull): pulled, verified,
// stored, recorded, shown, receipted, in exactly this order, each durable before the next (I2).
//
// Everything can be repeated after a kill: what is stored is found again, and a snapshot that lists the
// request's ids already is taken as it is (I6).
#pragma once

#include "common/error/error.h"
#include "common/log/log.h"
#include "common/time/time.h"
#include "server/config/config.h"

#include <functional>
#include <string>

namespace bk::server {

struct Worker {
  const ServerConfig& config;
  std::string programs;  // folder of bk_ssh
  const Clock& clock;
  const Log& log;
  std::function<void()> alive = [] {};  // something moved
  int progress_fd = -1;                 // gets lines of progress (progress.h)
  std::function<void(const std::string&)> say = [](const std::string&) {};  // one line for people
};

// Brings the item P<stem> to its end or back to the list.  Returns its exit status (0, 3, or that of the
// failure); throws only when not even the failure could be written down.
int work_off(const Worker& worker, const std::string& client, const std::string& stem);

// The same for an attempt that was ended from outside, for this reason.
enum class EndedAs {
  Failed,    // it counts
  TimeUp,    // a suspension
  TurnOver,  // others waited (turns.h); what it had beyond its last checkpoint is lost
};
int give_up(const Worker& worker, const std::string& client, const std::string& stem, const std::string& why,
            EndedAs as);

}  // namespace bk::server
