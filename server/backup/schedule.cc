#include "server/backup/schedule.h"

#include "common/error/error.h"
#include "common/path/names.h"

#include <algorithm>
#include <tuple>

namespace bk::server {
namespace {

// No wait is as long: one that is was written by a clock that was ahead.
constexpr std::chrono::hours kLongestWait{24 * 7};

bool is_due(const TodoList::Named& item, bool at_once, Timestamp now) {
  if (item.state == 'P' || at_once || !item.item.not_before) return true;
  return *item.item.not_before <= now || *item.item.not_before > now.plus(kLongestWait);
}

// What failed, or stood still, when it was last tried: it may hold a slot until its time is up again.  Or a
// turn that grew, because nothing could be kept of the ones before.
bool is_suspect(const TodoList::Named& item) {
  if (item.item.turns_lost > 0) return true;
  return !item.item.last_error.empty() && !item.item.last_error.ends_with(kKept);
}

// Since when it waits; a time to come was written by a clock that was ahead.
Timestamp waits_since(const TodoItem& item, Timestamp now) {
  return std::min(item.yielded.value_or(item.taken), now);
}

// Who has how many slots, and may have one more.
class FairShare {
 public:
  FairShare(const std::vector<TodoList::Named>& items, const std::set<Busy>& running, const Slots& slots)
      : slots_(slots) {
    for (const Busy& busy : running) ++at_work_[busy.client];
    std::set<Busy> doubtful;
    for (const TodoList::Named& item : items) {
      const Busy busy{item.client, item.stem};
      if (item.state != 'P' || !running.contains(busy)) continue;
      if (is_suspect(item)) doubtful.insert(busy);
      if (is_long(item.item)) ++long_;
    }
    suspects_ = doubtful.size();
    for (const Busy& busy : running)
      if (is_new(busy.client)) doubtful.insert(busy);
    doubtful_ = doubtful.size();
  }
  [[nodiscard]] std::size_t at_work(const std::string& client) const {
    const auto found = at_work_.find(client);
    return found == at_work_.end() ? 0 : found->second;
  }
  [[nodiscard]] bool comes_later(const TodoList::Named& item) const {
    return (suspects_ > 0 && is_suspect(item)) || (long_ >= share_of_long(slots_.all) && is_long(item.item));
  }
  [[nodiscard]] bool allows(const TodoList::Named& item) {
    const std::size_t has = at_work(item.client);
    if (has >= slots_.of_client(item.client)) return false;
    const bool suspect = is_suspect(item);
    const bool unknown = is_new(item.client);
    if (suspect && suspects_ >= std::max<std::size_t>(1, slots_.all / 2)) return false;
    if (unknown && has > 0) return false;
    return !(suspect || unknown) || doubtful_ < std::max<std::size_t>(1, slots_.all - 1);
  }

 private:
  bool is_new(const std::string& client) {
    if (!slots_.is_new) return false;
    const auto [known, fresh] = new_.try_emplace(client, false);
    if (fresh) known->second = slots_.is_new(client);
    return known->second;
  }

  const Slots& slots_;
  std::map<std::string, std::size_t> at_work_;
  std::map<std::string, bool> new_;
  std::size_t suspects_ = 0, doubtful_ = 0;  // at work; those include these
  std::size_t long_ = 0;                     // at work
};

}  // namespace

bool Selection::covers(const TodoList::Named& item) const {
  return (client.empty() || item.client == client) && (module.empty() || item.item.request.module == module);
}

Selection parse_selection(const std::string& text) {
  Selection out;
  out.at_once = true;
  const std::size_t colon = text.find(':');
  out.client = text.substr(0, colon);
  require_safe_name("client", out.client);
  if (colon != std::string::npos) {
    out.module = text.substr(colon + 1);
    require_safe_name("module", out.module);
  }
  return out;
}

bool is_long(const TodoItem& item) { return item.turns > 0; }
std::size_t share_of_long(std::size_t all) { return std::max<std::size_t>(1, all / 2); }

std::string try_key(const TodoList::Named& item) { return item.client + "/" + item.item.request.id; }

std::optional<std::size_t> choose_next(const std::vector<TodoList::Named>& items,
                                       const std::set<Busy>& running, const std::set<std::string>& tried,
                                       const Slots& slots, const Selection& selection, Timestamp now) {
  if (running.size() >= slots.all) return std::nullopt;
  FairShare fair(items, running, slots);
  std::set<Busy> working;  // stems in state P: their C waits
  for (const TodoList::Named& item : items)
    if (item.state == 'P') working.insert({item.client, item.stem});
  std::optional<std::size_t> best;
  const auto rank = [&](std::size_t i) {
    return std::tuple(fair.comes_later(items[i]), items[i].state == 'P' ? 0 : 1,
                      fair.at_work(items[i].client), waits_since(items[i].item, now));
  };
  for (std::size_t i = 0; i < items.size(); ++i) {
    const TodoList::Named& item = items[i];
    const Busy busy{item.client, item.stem};
    if (running.contains(busy) || tried.contains(try_key(item)) || !selection.covers(item)) continue;
    if (item.state == 'C' && working.contains(busy)) continue;
    if (!is_due(item, selection.at_once, now) || !fair.allows(item)) continue;
    if (!best || rank(i) < rank(*best)) best = i;
  }
  return best;
}

std::optional<Timestamp> next_due(const std::vector<TodoList::Named>& items, const Selection& selection,
                                  Timestamp now, const std::set<std::string>& paused) {
  std::optional<Timestamp> out;
  for (const TodoList::Named& item : items) {
    if (!selection.covers(item) || item.state != 'C' || paused.contains(item.client)) continue;
    const Timestamp due = std::max(item.item.not_before.value_or(now), now);
    if (!out || due < *out) out = due;
  }
  return out;
}

}  // namespace bk::server
