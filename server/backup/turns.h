// Turns: who has held a slot long enough gives it to a source that waits, and goes on later.  Pure.
//
// Without them a client that crawls, just fast enough not to stand still, keeps its slot until
// limits.pull_timeout, and a few of them keep all.  A pull that gave way goes on where it was (of a git fetch
// nothing is kept), ranked behind all that waited then (schedule.h).
#pragma once

#include "server/backup/schedule.h"
#include "server/config/config.h"

#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace bk::server {

// How long its pull may keep others waiting now: limits.turn, twice as long for each turn of which nothing
// could be kept and for every four others, up to limits.pull_timeout, which then ends it: nobody gives way
// for ever.  So a pull that needs long in one piece, a fetch or a walk through a huge tree, comes to its end
// however many wait.
[[nodiscard]] std::chrono::seconds turn_of(const TodoItem& item, const Limits& limits);

// The item of a pull that gave way.
[[nodiscard]] TodoItem after_its_turn(TodoItem item, const std::string& reason, bool kept, Timestamp now);

// A pull that holds a slot.
struct Holder {
  Busy what;
  std::chrono::milliseconds held{0};
};

// Which of `holders` is to give way now, or nothing: because nothing waits, or what waits can begin anyway,
// or no turn is over.  `running` is as for choose_next().  It takes from the client with the most slots,
// there from the pull that held its slot longest, and never so that another client than this one would end up
// with more slots than it leaves it.  While what gave way before has more than its share of the slots and
// something new waits, a quarter of limits.turn is enough.
[[nodiscard]] std::optional<Busy> choose_to_give_way(const std::vector<TodoList::Named>& items,
                                                     std::vector<Holder> holders,
                                                     const std::set<Busy>& running,
                                                     const std::set<std::string>& tried, const Slots& slots,
                                                     const Selection& selection, const Limits& limits,
                                                     Timestamp now);

// The shortest time after which a pull may have to.
[[nodiscard]] std::chrono::milliseconds shortest_turn(const Limits& limits);

}  // namespace bk::server
