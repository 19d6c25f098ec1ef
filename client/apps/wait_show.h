// What requests that somebody waits for are doing: on a terminal one line, rewritten in place; elsewhere a
// line for each step of each request.
#pragma once

#include "client/agent/pull_status.h"
#include "client/queue/queue.h"
#include "common/text/screen.h"

#include <condition_variable>
#include <cstdio>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace bk::client {

// Of the running pull of what is asked for.
[[nodiscard]] std::optional<agent::PullStatus> pull_of(const std::string& home, const Queued& item);
// "queued", "its data is being prepared", …, "taken by main; being pulled: 12 directories, …".  Pure.
[[nodiscard]] std::string show_step(const Queued& item, const std::optional<agent::PullStatus>& pull);
// The one line for all: the one that is furthest, and how many have their outcome.  Pure.
struct Shown {
  const Queued* item = nullptr;
  std::optional<agent::PullStatus> pull;
};
[[nodiscard]] std::string show_all(const std::vector<Shown>& all);

// Looks at the queue twice a second in a thread of its own, as long as it lives.
class WaitShow {
 public:
  // `queue` must outlive it.
  WaitShow(const Queue& queue, std::string home, std::vector<std::string> ids);
  ~WaitShow();  // takes the terminal's line away
  WaitShow(const WaitShow&) = delete;
  WaitShow& operator=(const WaitShow&) = delete;
  // A line that stays, above the one that is rewritten.
  void print(std::FILE* to, const std::string& text);

 private:
  void run();
  void look();
  const Queue& queue_;
  std::string home_;
  std::vector<std::string> ids_;
  std::map<std::string, std::string> told_;  // by id; where there is no terminal
  Screen screen_;
  std::mutex mutex_;  // of what follows, and of the output
  std::condition_variable changed_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace bk::client
