// Steps: the user's commands around the preparation of a path's data (before, after, release in
// backupconfig.toml).
//
//   before    ahead of the cmd; when it fails the attempt has failed, and the cmd does not run
//   after     always, as soon as the cmd has ended: what was paused goes on
//   release   always, when the server has what it asked for or never will: a snapshot goes
//
// What is owed stands durably in <home>/requests/<server>/.owed-<token> ("bk-owed 1", docs/formats/queue.md)
// before `before` begins, so that it runs whatever is killed.  Commands have to bear being run twice.
#pragma once

#include "client/config/config.h"
#include "client/queue/queue.h"
#include "common/log/log.h"
#include "common/time/time.h"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace bk::client {

// What one run still owes.
struct Owed {
  std::string token;  // of the run; names the file
  std::string id;     // of the request
  std::string module, name, place;
  std::vector<std::string> after, release;  // empty: none, or done
  std::chrono::seconds limit{0};            // for one run of a command
  Timestamp until;                          // release runs then in any case
  std::uint64_t failures = 0;               // in a row, of the command that is next
  bool operator==(const Owed&) const = default;
};
[[nodiscard]] std::string write_owed(const Owed& owed);
[[nodiscard]] Owed parse_owed(std::string_view text);  // throws Protocol

// The folder a path's data is read from.
[[nodiscard]] std::string place_of(const PathConfig& options, const std::string& path);

class Steps {
 public:
  Steps(const ClientConfig& config, Queue& queue, const Log& log, const Clock& clock)
      : config_(config), queue_(queue), log_(log), clock_(clock) {}

  // Writes down what will be owed for this run, durably, then runs `before`.  Empty, or why it failed: the
  // caller must not run the cmd then, and calls end() all the same.  Throws Io when it cannot be written.
  [[nodiscard]] std::string begin(const ModuleConfig& module, const Queued& item) const;
  // The run of this token has ended: `after`, and `release` unless its data is ready for the server.
  void end(const std::string& token, bool prepared) const;

  // For the holder of the queue's lock, while no cmd runs: everything that is owed and due.  Returns what
  // failed, one line each.
  [[nodiscard]] std::vector<std::string> settle() const;

 private:
  [[nodiscard]] std::string file(const std::string& token) const;
  [[nodiscard]] std::string run(const Owed& owed, std::string_view step,
                                const std::vector<std::string>& argv) const;
  [[nodiscard]] bool is_due(const Owed& owed) const;
  bool pay(Owed& owed, std::string_view step, std::vector<std::string> Owed::*command,
           std::vector<std::string>& problems) const;
  void pay_all(Owed owed, bool release, std::vector<std::string>& problems) const;

  const ClientConfig& config_;
  Queue& queue_;
  const Log& log_;
  const Clock& clock_;
};

}  // namespace bk::client
