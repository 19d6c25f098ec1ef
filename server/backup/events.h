// What the supervisor sleeps on: workers' signs of life, changes of the work list, signals.
#pragma once

#include "common/io/fd.h"

#include <chrono>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace bk::server {

class Events {
 public:
  // Blocks SIGTERM, SIGINT and SIGCHLD in this thread: they are read here from now on.
  Events();
  // Watches TODO and its clients' folders for new requests; repeated calls add the new ones.
  void watch_folders(const std::string& todo);

  struct Woken {
    bool stop = false;      // SIGTERM or SIGINT came
    bool requests = false;  // a file appeared in a watched folder
    struct Sign {
      std::size_t worker = 0;  // position in `workers`
      std::string said;        // empty: it closed its end
    };
    std::vector<Sign> alive;  // those that gave a sign of life or ended
  };
  // Sleeps until something happens, at most `limit`.
  [[nodiscard]] Woken wait(std::span<const int> workers, std::chrono::milliseconds limit);

 private:
  Fd signals_, changes_;
  std::set<std::string> watched_;
};

}  // namespace bk::server
