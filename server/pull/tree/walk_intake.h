// Enter and Leave: follows the agent's walk in step with the previous tree and says which listings are
// wanted.
#pragma once

#include "server/pull/tree/agent_line.h"
#include "server/pull/tree/held.h"
#include "server/pull/tree/moved_directories.h"
#include "server/store/store.h"

#include <memory>
#include <optional>
#include <vector>

namespace bk::pull {

class WalkIntake {
 public:
  // `begun`: the root in the checkpoint of an unfinished pull.  `doubt`: something of the old tree is
  // damaged, so no listing counts as the same.
  WalkIntake(AgentLine& line, store::Store& store, Held& held, std::optional<Entry> old_root,
             std::optional<Entry> begun, bool doubt);
  void enter(const Enter& message);
  void leave(Leave message);
  [[nodiscard]] bool finished() const { return stack_.empty(); }
  // The directories that were entered and not left, the root first.
  [[nodiscard]] const std::vector<std::unique_ptr<HeldDirectory>>& open_directories() const { return stack_; }
  [[nodiscard]] std::uint64_t same() const { return same_; }
  [[nodiscard]] std::uint64_t wanted() const { return wanted_; }

 private:
  void open(std::unique_ptr<HeldDirectory> directory);
  [[nodiscard]] bool same_listing(const Entry& old, const Leave& leave) const;
  [[nodiscard]] bool decide_want(HeldDirectory& directory);
  void find_by_inode(HeldDirectory& directory);

  AgentLine& line_;
  store::Store& store_;
  Held& held_;
  bool doubt_;
  MovedDirectories moved_;
  std::vector<std::unique_ptr<HeldDirectory>> stack_;
  std::uint64_t next_leave_ = 0, same_ = 0, wanted_ = 0;
};

}  // namespace bk::pull
