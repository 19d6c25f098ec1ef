// The control line with the real server side behind it: repository settings, ingest, TODO.
#pragma once

#include "server/access/hooks.h"
#include "server/ingest/ingest.h"
#include "server/todo/todo.h"
#include "tests/support/control_rig.h"

#include <chrono>
#include <set>
#include <string>

namespace bk::test {

// The home and what it does with pushes.  `home` holds repositories/web1.git and TODO/.
class ServerHome {
 public:
  explicit ServerHome(std::string home) : home_(std::move(home)), hooks_(home_ + "/test-hooks") {
    ensure_directory(hooks_, 0755);
    server::ensure_repository(repository(), hooks_, ControlRig::kRequests);
  }
  [[nodiscard]] const std::string& home() const { return home_; }
  [[nodiscard]] const std::string& hooks() const { return hooks_; }
  [[nodiscard]] std::string repository() const { return home_ + "/repositories/web1.git"; }
  void ingest() const { (void)server::ingest(home_, repository(), SystemClock()); }
  // Ids that wait in TODO, each once: an id that stands there twice is a doubled request.
  [[nodiscard]] std::multiset<std::string> todo() const {
    std::multiset<std::string> out;
    std::vector<std::string> problems;
    server::TodoList list(home_ + "/TODO");
    for (const auto& named : list.pending(problems)) out.insert(named.item.ids.begin(), named.item.ids.end());
    for (const std::string& problem : problems) out.insert("problem: " + problem);
    return out;
  }

 private:
  std::string home_;
  std::string hooks_;
};

}  // namespace bk::test
