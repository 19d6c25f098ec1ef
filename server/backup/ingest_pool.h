// Taking requests out of control repositories: a process for each, several at a time.
//
// One that is huge, damaged, locked or on a disk that hangs holds up no other: what takes longer than a
// moment makes room for the next, up to `most` in all, and is ended after `longest`.
#pragma once

#include "common/process/process.h"

#include <chrono>
#include <deque>
#include <functional>
#include <list>
#include <string>
#include <vector>

namespace bk::server {

class IngestPool {
 public:
  struct Limits {
    std::size_t at_once = 4;  // within their first moment
    std::size_t most = 16;    // in all
    std::chrono::milliseconds moment{2000};
    std::chrono::milliseconds longest{std::chrono::minutes(10)};
  };
  struct Ended {
    std::string client;
    int status = 0;     // as Child::wait(); 0 when it was late
    bool late = false;  // it lasted longer than `longest` and was killed
  };
  using Begin = std::function<Child(const std::string& client)>;
  IngestPool(Begin begin, Limits limits) : begin_(std::move(begin)), limits_(limits) {}

  // Begun in this order.  Those that wait already, or are at work, are not added twice.
  void add(const std::vector<std::string>& clients);
  // Begins and ends what there is to begin and to end; does not wait.  Throws Io when a process cannot be
  // started: its client is not tried again.
  [[nodiscard]] std::vector<Ended> look();
  [[nodiscard]] bool idle() const { return waiting_.empty() && working_.empty(); }
  // Kills all; they are harmless to repeat.
  void stop();

 private:
  using Clock = std::chrono::steady_clock;
  struct Working {
    std::string client;
    Child child;
    Clock::time_point began;
  };
  [[nodiscard]] bool has_room(Clock::time_point now) const;

  Begin begin_;
  Limits limits_;
  std::deque<std::string> waiting_;
  std::list<Working> working_;
};

// Whose requests are to be taken: clients whose control repository has news, those in `set_aside` (entries of
// their work list wait for an answer), and those whose requests could not be taken the last time; these come
// last.  `only`: nobody else, when it is not empty.  Throws Io.
[[nodiscard]] std::vector<std::string> clients_with_news(const std::string& home,
                                                         const std::vector<std::string>& set_aside,
                                                         const std::string& only);

}  // namespace bk::server
