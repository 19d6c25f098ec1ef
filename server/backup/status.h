// What do_backup --status shows: for every source its last success, what waits, and the last error.
#pragma once

#include "common/time/time.h"
#include "server/backup/progress.h"
#include "server/catalog/catalog.h"
#include "server/todo/todo.h"

#include <optional>
#include <string>
#include <vector>

namespace bk::server {

struct SourceStatus {
  std::string client, module, method, name;
  std::optional<Timestamp> last_success;                           // when that pull began
  std::uint64_t snapshots = 0, files = 0, bytes = 0, skipped = 0;  // of the newest snapshot, but the first
  std::string state;  // "idle", "queued", "working", "waiting" (for its next try)
  int attempts = 0;
  std::optional<Timestamp> next_try;
  std::string last_error;
  std::string stem;                  // of the item at work
  std::optional<Progress> progress;  // of the pull at work, when it says how far it is; the caller's to set
};

// Sorted by client, name, module, method.  Pure.
[[nodiscard]] std::vector<SourceStatus> collect_status(const std::vector<CatalogSnapshot>& snapshots,
                                                       const std::vector<TodoList::Named>& items,
                                                       Timestamp now);
[[nodiscard]] std::string show_status(const std::vector<SourceStatus>& sources, Timestamp now);
[[nodiscard]] std::string show_status_json(const std::vector<SourceStatus>& sources, Timestamp now);

// "5 s", "3 min", "7 h", "12 d".
[[nodiscard]] std::string show_age(Timestamp then, Timestamp now);

}  // namespace bk::server
