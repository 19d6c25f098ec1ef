// Which request is next.  Pure.
#pragma once

#include "common/time/time.h"
#include "server/todo/todo.h"

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace bk::server {

struct Slots {
  std::size_t all = 4;
  std::function<std::size_t(const std::string& client)> of_client;  // at once from this client
  std::function<bool(const std::string& client)> is_new = {};  // it never had a success; empty: nobody is
};

// What this run wants: everything, or only one client (and module).  `at_once` ignores not-before times.
struct Selection {
  std::string client, module;  // empty: all
  bool at_once = false;
  [[nodiscard]] bool covers(const TodoList::Named& item) const;
};
// "CLIENT" or "CLIENT:MODULE"; throws Usage.
[[nodiscard]] Selection parse_selection(const std::string& text);

struct Busy {
  std::string client, stem;
  auto operator<=>(const Busy&) const = default;
};

// The position of the item to start now, or nothing.  A P that nobody works on is resumed before any C; then
// the client with the fewest running pulls is served first, and of that client the oldest request.  What went
// wrong when it was last tried has at most half of the slots, and beyond the first one what did not goes
// before: clients that hang take no more than that from the others, and are themselves never left out.
// What has given way before (turns.h) waits anew since then, and beyond half of the slots what did not goes
// before.
// Clients that never had a success may be of that kind, and have one slot each.  Both kinds together leave
// one slot to the others when there are two or more. `tried` holds what this run shall not start again.
[[nodiscard]] std::optional<std::size_t> choose_next(const std::vector<TodoList::Named>& items,
                                                     const std::set<Busy>& running,
                                                     const std::set<std::string>& tried, const Slots& slots,
                                                     const Selection& selection, Timestamp now);

// Its pull has given its slot to others before: it takes long, for whatever reason.
[[nodiscard]] bool is_long(const TodoItem& item);
// Slots that such pulls have for certain.
[[nodiscard]] std::size_t share_of_long(std::size_t all);

// How the last error of an item ends that got further all the same.
inline constexpr const char* kKept = "; what came is kept";

// What `tried` holds for an item: its client and newest request.
[[nodiscard]] std::string try_key(const TodoList::Named& item);

// When the next waiting request becomes due, of clients that are not paused; nothing when none waits.
[[nodiscard]] std::optional<Timestamp> next_due(const std::vector<TodoList::Named>& items,
                                                const Selection& selection, Timestamp now,
                                                const std::set<std::string>& paused = {});

}  // namespace bk::server
