// do_backup itself: one process that starts one worker process (bk_pull) per pull and watches over them.
//
// It holds TODO/.lock for as long as it lives, so two never work at once.  It opens no repository and no
// store: whatever a pull leaks, breaks or hangs in goes with its own process.  A worker that lasts longer
// than limits.pull_timeout, or shows no sign of life for limits.idle_timeout, is asked to end, notes what it
// has and puts its request back (suspended); one that does not is killed and its attempt counted.  Nobody
// else waits for it.  Requests are taken by a process for each control repository (ingest_pool.h): pulls wait
// a few seconds for what they bring.
#pragma once

#include "common/io/lock.h"
#include "common/log/log.h"
#include "common/time/time.h"
#include "server/backup/schedule.h"
#include "server/config/config.h"

#include <functional>
#include <optional>
#include <string>

namespace bk::server {

// The lock of a whole run; nothing while another do_backup is at work.
[[nodiscard]] std::optional<FileLock> try_run_lock(const std::string& home);

struct RunOptions {
  Selection selection;
  bool watch = false;    // stay, and react to new requests and due retries
  std::string programs;  // folder of bk_pull
  std::function<void(const std::string&)> say = [](const std::string&) {};  // one line for people
  std::function<bool(const std::string& client)> is_new;  // it never had a success; empty: nobody is
};

// Ingests, resumes what a crash interrupted, then works until nothing due is left; with `watch` until SIGTERM
// or SIGINT.  What comes while it is at work is taken, too; and as long as something lasts it does every five
// minutes what the next run would, because that one finds it at work.  Returns the worst status of the run.
// The caller holds the run lock.  After SIGTERM workers are asked to end and get twenty seconds; what they
// leave is resumed by the next run.
int run_backups(const ServerConfig& config, const RunOptions& options, const Clock& clock, const Log& log);

}  // namespace bk::server
