#include "server/backup/turns.h"

#include "server/backup/verdict.h"

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>

namespace bk::server {
namespace {

constexpr int kTurnsToGrow = 4;  // of those that kept something
constexpr int kGuest = 4;        // beyond their share, long pulls have this part of a turn

// Whether anything waits that some free slot would help.
bool somebody_waits(const std::vector<TodoList::Named>& items, const std::set<Busy>& running,
                    const std::set<std::string>& tried, const Slots& slots, const Selection& selection,
                    Timestamp now) {
  constexpr std::size_t kAny = std::numeric_limits<std::size_t>::max();
  const Slots enough{kAny,
                     [&](const std::string& client) { return slots.of_client(client) == 0 ? 0 : kAny; }};
  return choose_next(items, running, tried, enough, selection, now).has_value();
}

class Chooser {
 public:
  Chooser(const std::vector<TodoList::Named>& items, const std::set<Busy>& running, const Slots& slots,
          const Limits& limits)
      : slots_(slots), limits_(limits) {
    for (const Busy& busy : running) ++at_work_[busy.client];
    for (const TodoList::Named& item : items) {
      const Busy busy{item.client, item.stem};
      if (item.state != 'P' || !running.contains(busy)) continue;
      working_[busy] = &item;
      if (is_long(item.item)) ++long_;
    }
  }
  [[nodiscard]] const TodoList::Named* item(const Busy& busy) const {
    const auto found = working_.find(busy);
    return found == working_.end() ? nullptr : found->second;
  }
  void sort(std::vector<Holder>& holders) const {
    std::stable_sort(holders.begin(), holders.end(), [&](const Holder& a, const Holder& b) {
      return std::tuple(at_work_.at(a.what.client), a.held) > std::tuple(at_work_.at(b.what.client), b.held);
    });
  }
  // Whether its turn is over for the sake of `next`.
  [[nodiscard]] bool must(const Holder& holder, const TodoItem& own, const TodoList::Named& next) const {
    if (next.client != holder.what.client && count(next.client) + 1 > count(holder.what.client)) return false;
    const bool guest = is_long(own) && long_ > share_of_long(slots_.all) && !is_long(next.item);
    if (guest) return holder.held >= shortest_turn(limits_);
    const std::chrono::seconds turn = turn_of(own, limits_);
    return turn < limits_.pull_timeout && holder.held >= turn;
  }

 private:
  [[nodiscard]] std::size_t count(const std::string& client) const {
    const auto found = at_work_.find(client);
    return found == at_work_.end() ? 0 : found->second;
  }
  const Slots& slots_;
  const Limits& limits_;
  std::map<std::string, std::size_t> at_work_;
  std::map<Busy, const TodoList::Named*> working_;
  std::size_t long_ = 0;
};

}  // namespace

std::chrono::seconds turn_of(const TodoItem& item, const Limits& limits) {
  std::chrono::seconds turn = std::min(limits.turn, limits.pull_timeout);
  int doublings = item.turns_lost + (item.turns - item.turns_lost) / kTurnsToGrow;
  while (doublings-- > 0 && turn < limits.pull_timeout) turn = std::min(turn * 2, limits.pull_timeout);
  return turn;
}

std::chrono::milliseconds shortest_turn(const Limits& limits) {
  return std::chrono::milliseconds(std::min(limits.turn, limits.pull_timeout)) / kGuest;
}

TodoItem after_its_turn(TodoItem item, const std::string& reason, bool kept, Timestamp now) {
  ++item.turns;
  if (!kept) ++item.turns_lost;
  item.yielded = now;
  item.not_before.reset();
  item.last_error = "gave way: " + one_line(reason) + (kept ? kKept : "; nothing of it could be kept");
  return item;
}

std::optional<Busy> choose_to_give_way(const std::vector<TodoList::Named>& items, std::vector<Holder> holders,
                                       const std::set<Busy>& running, const std::set<std::string>& tried,
                                       const Slots& slots, const Selection& selection, const Limits& limits,
                                       Timestamp now) {
  if (!somebody_waits(items, running, tried, slots, selection, now)) return std::nullopt;
  if (choose_next(items, running, tried, slots, selection, now)) return std::nullopt;
  const Chooser chooser(items, running, slots, limits);
  chooser.sort(holders);
  for (const Holder& holder : holders) {
    const TodoList::Named* own = chooser.item(holder.what);
    if (own == nullptr || holder.held < shortest_turn(limits)) continue;
    std::set<Busy> others = running;
    others.erase(holder.what);
    std::set<std::string> hidden = tried;
    hidden.insert(try_key(*own));
    const auto next = choose_next(items, others, hidden, slots, selection, now);
    if (next && chooser.must(holder, own->item, items[*next])) return holder.what;
  }
  return std::nullopt;
}

}  // namespace bk::server
