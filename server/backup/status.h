// What do_backup --status shows: for every source its last success, what waits, and the last error.
#pragma once

#include "common/ssh/host_key_mark.h"
#include "common/time/time.h"
#include "server/backup/not_taken.h"
#include "server/backup/progress.h"
#include "server/catalog/catalog.h"
#include "server/todo/todo.h"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace bk::server {

// How often a source should succeed.
struct Expected {
  std::optional<std::chrono::seconds> every;  // nothing: it may rest
};

struct StatusFacts {
  std::vector<CatalogSnapshot> snapshots;
  std::vector<TodoList::Named> pending, finished;  // TodoList::pending(), newest_finished()
  // What the administrator, or the source's own period, says; nothing: learned from the newest snapshots.
  std::function<std::optional<Expected>(const std::string& client, const std::string& module,
                                        const std::string& path)>
      expected;
  std::function<std::optional<Timestamp>(const std::string& client)> paused;  // that client alone
  // Of a client: its quota, 0 without one, and what it has used, when that is known.
  std::function<std::pair<std::uint64_t, std::optional<std::uint64_t>>(const std::string& client)> quota;
  unsigned overdue_after = 3;  // periods without a success; 0: nothing is ever overdue
};

struct SourceStatus {
  std::string client, module, method, name;
  std::optional<Timestamp> last_success;                           // when that pull began
  std::uint64_t snapshots = 0, files = 0, bytes = 0, skipped = 0;  // of the newest snapshot, but the first
  // "idle", "queued", "working", "waiting" (for its next try), "failed" or "refused" (after the last success,
  // and nobody asked again)
  std::string state;
  int attempts = 0;
  int turns = 0;  // times that it gave its slot to another source, and goes on later
  std::optional<Timestamp> next_try;
  std::string last_error;
  std::optional<Timestamp> paused;             // the client, since when
  std::optional<std::chrono::seconds> period;  // how often it is expected to succeed
  bool learned = false;                        // … by what it did so far
  std::optional<Timestamp> next;               // … when that will be
  bool overdue = false;                        // no success for too many periods, or never one
  std::uint64_t quota = 0;                     // of the client, bytes; 0: none
  std::optional<std::uint64_t> quota_used;     // … when it was counted
  std::string stem;                            // of the item at work
  std::optional<Progress> progress;  // of the pull at work, when it says how far it is; the caller's to set
};

// Of clients as a whole: whose host key changed, whose requests cannot be taken.
struct ClientStates {
  std::vector<ssh::HostKeyMark> host_keys;
  std::vector<NotTaken> not_taken;
};

// Sorted by client, name, module, method.  Pure.  A period is learned when four snapshots or more are there:
// the median of the newest eight intervals.  Nothing is overdue of which every snapshot was removed and
// nobody asks.
[[nodiscard]] std::vector<SourceStatus> collect_status(const StatusFacts& facts, Timestamp now);
// `all_paused`: since when do_backup begins nothing at all.
[[nodiscard]] std::string show_status(const std::vector<SourceStatus>& sources,
                                      std::optional<Timestamp> all_paused, Timestamp now,
                                      const ClientStates& states = {});
[[nodiscard]] std::string show_status_json(const std::vector<SourceStatus>& sources,
                                           std::optional<Timestamp> all_paused, Timestamp now,
                                           const ClientStates& states = {});

// "5 s", "3 min", "7 h", "12 d".
[[nodiscard]] std::string show_age(Timestamp then, Timestamp now);

}  // namespace bk::server
