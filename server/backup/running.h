// A worker process (bk_pull) as do_backup sees it.
#pragma once

#include "common/io/fd.h"
#include "common/process/process.h"
#include "server/backup/progress.h"
#include "server/backup/schedule.h"
#include "server/config/config.h"
#include "server/todo/todo.h"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace bk::server {

// Why it was told to end.
enum class Asked { No, Pause, TurnOver, TimeUp, Silence };

// A pull at work.
struct Running {
  using Clock = std::chrono::steady_clock;
  TodoList::Named item;
  Child child;
  Fd signs;  // the worker's standard output
  Clock::time_point started, alive;
  std::string half_line;  // of what it says, not yet whole
  std::optional<Progress> progress;
  Asked asked = Asked::No;
  std::string asked_why;
  Clock::time_point asked_at{};

  [[nodiscard]] Busy busy() const { return {item.client, item.stem}; }
  // What the worker said: signs of life, and how far it is.
  void hear(const std::string& said);
  // Tells it to note what it has and to end.
  void ask_to_end(Asked why, Clock::time_point now);
  // It was told long ago.
  [[nodiscard]] bool is_late(Clock::time_point now) const;
};

// One line for a terminal.
[[nodiscard]] std::string describe(const Running& running);

// A bk_pull of this installation with these arguments, which does not outlive the caller.
[[nodiscard]] Command worker_command(const std::string& programs, const std::string& home,
                                     const std::vector<std::string>& words);
// Works off an item in state P.
[[nodiscard]] Running start_pull(const std::string& programs, const std::string& home,
                                 const TodoList::Named& item);

}  // namespace bk::server
