#include "server/backup/turns.h"

#include "server/backup/verdict.h"

#include <gtest/gtest.h>

#include <deque>

namespace bk::server {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

const Timestamp kNow{100000, 0};

TodoList::Named named(const std::string& client, const std::string& stem, std::int64_t taken,
                      char state = 'C') {
  TodoList::Named out;
  out.client = client;
  out.stem = stem;
  out.state = state;
  out.item.request.id = client + stem;
  out.item.taken = {taken, 0};
  return out;
}

TodoList::Named after(TodoList::Named item, int turns, int lost, std::int64_t yielded) {
  item.item.turns = turns;
  item.item.turns_lost = lost;
  item.item.yielded = Timestamp{yielded, 0};
  return item;
}

Limits limits() {
  Limits out;
  out.turn = minutes(30);
  out.pull_timeout = hours(24);
  return out;
}

Slots slots(std::size_t all, std::size_t of_client = 2) {
  return {all, [of_client](const std::string&) { return of_client; }};
}

// Items in state P are at work since so many minutes.
std::optional<Busy> who(const std::vector<TodoList::Named>& items, const std::vector<int>& held,
                        const Slots& all, const std::set<std::string>& tried = {}) {
  std::vector<Holder> holders;
  std::set<Busy> running;
  for (const TodoList::Named& item : items) {
    if (item.state != 'P') continue;
    holders.push_back({{item.client, item.stem}, minutes(held.at(holders.size()))});
    running.insert(holders.back().what);
  }
  return choose_to_give_way(items, holders, running, tried, all, {}, limits(), kNow);
}

TEST(Turns, WhoHeldItsSlotLongestGivesItToASourceThatWaits) {
  std::vector items{named("a", "m:1", 1, 'P'), named("b", "m:1", 2, 'P'), named("c", "m:1", 3)};
  EXPECT_EQ(who(items, {31, 40}, slots(2)), (Busy{"b", "m:1"}));
  EXPECT_EQ(who(items, {29, 29}, slots(2)), std::nullopt) << "no turn is over";
  EXPECT_EQ(who(items, {31, 40}, slots(3)), std::nullopt) << "there is a slot";
  EXPECT_EQ(who(items, {31, 40}, slots(2), {"c/cm:1"}), std::nullopt) << "tried already";
  items[2].item.not_before = kNow.plus(minutes(1));
  EXPECT_EQ(who(items, {31, 40}, slots(2)), std::nullopt) << "not due";
  items.pop_back();
  EXPECT_EQ(who(items, {3000, 4000}, slots(2)), std::nullopt) << "nobody waits";
}

TEST(Turns, AClientWithSeveralPullsGivesWayFirstAndTakesFromNobody) {
  const std::vector crowd{named("a", "m:1", 1, 'P'), named("b", "m:1", 2, 'P'), named("b", "m:2", 2, 'P'),
                          named("c", "m:1", 3)};
  EXPECT_EQ(who(crowd, {90, 31, 32}, slots(3)), (Busy{"b", "m:2"}));
  EXPECT_EQ(who(crowd, {90, 3, 3}, slots(3)), (Busy{"a", "m:1"})) << "those of b are not over yet";
  const std::vector greedy{named("a", "m:1", 1, 'P'), named("b", "m:1", 2, 'P'), named("b", "m:2", 3)};
  EXPECT_EQ(who(greedy, {90, 5}, slots(2)), std::nullopt) << "b would have two slots and a none";
  EXPECT_EQ(who(greedy, {90, 45}, slots(2)), (Busy{"b", "m:1"})) << "its own other source";
}

TEST(Turns, AClientsOwnSourcesTakeTurnsInItsSlots) {
  const std::vector items{named("a", "m:1", 1, 'P'), named("a", "m:2", 2, 'P'), named("a", "m:3", 3)};
  EXPECT_EQ(who(items, {50, 60}, slots(4, 2)), (Busy{"a", "m:2"}));
}

TEST(Turns, APausedClientThatWaitsEndsNobodysTurn) {
  const std::vector items{named("a", "m:1", 1, 'P'), named("b", "m:1", 2)};
  const Slots paused{1, [](const std::string& client) { return client == "b" ? 0U : 2U; }};
  EXPECT_EQ(who(items, {60}, paused), std::nullopt);
}

TEST(Turns, WhatGaveWayWaitsSinceThen) {
  const std::vector items{after(named("a", "m:1", 1), 1, 0, 50), named("b", "m:1", 49),
                          named("c", "m:1", 51)};
  const auto next = [&](std::set<std::string> tried) {
    return choose_next(items, {}, tried, slots(1), {}, kNow);
  };
  EXPECT_EQ(next({}), 1U);
  EXPECT_EQ(next({"b/bm:1"}), 0U) << "before what came later";
  const std::vector ahead{after(named("a", "m:1", 1), 1, 0, 900000), named("b", "m:1", kNow.seconds + 1)};
  EXPECT_EQ(choose_next(ahead, {}, {}, slots(1), {}, kNow), 0U) << "a clock that was ahead";
}

TEST(Turns, LongPullsHaveHalfOfTheSlotsForCertainAndGiveTheOthersAwaySoon) {
  std::vector<TodoList::Named> items;
  for (const char* client : {"a", "b", "c", "d"})
    items.push_back(after(named(client, "m:1", 1, 'P'), 2, 0, 100));
  items.push_back(named("new", "m:1", 99999));
  EXPECT_EQ(who(items, {8, 9, 7, 1}, slots(4)), (Busy{"b", "m:1"})) << "a quarter of a turn";
  EXPECT_EQ(who(items, {7, 7, 7, 1}, slots(4)), std::nullopt);
  items[1].state = items[2].state = 'C';
  items.push_back(named("x", "m:1", 3, 'P'));
  items.push_back(named("y", "m:1", 4, 'P'));
  EXPECT_EQ(who(items, {29, 9, 1, 1}, slots(4)), std::nullopt) << "two of four are theirs";
  items.resize(5);
  EXPECT_EQ(choose_next(items, {{"a", "m:1"}, {"d", "m:1"}}, {}, slots(4), {}, kNow), 4U)
      << "what is new goes before a third one";
  items[3].state = 'C';
  EXPECT_EQ(choose_next(items, {{"a", "m:1"}}, {}, slots(4), {}, kNow), 1U) << "but not before a second one";
}

TEST(Turns, ATurnGrowsByWhatWasLostAndNeverBeyondThePullsLimit) {
  const auto turn = [](int turns, int lost) {
    TodoItem item;
    item.turns = turns;
    item.turns_lost = lost;
    return std::chrono::duration_cast<minutes>(turn_of(item, limits())).count();
  };
  EXPECT_EQ(turn(0, 0), 30);
  EXPECT_EQ(turn(1, 1), 60);
  EXPECT_EQ(turn(3, 3), 240);
  EXPECT_EQ(turn(1, 0), 30) << "what came was kept";
  EXPECT_EQ(turn(4, 0), 60) << "and yet it must come to an end, were it a walk of hours";
  EXPECT_EQ(turn(6, 2), 240);
  EXPECT_EQ(turn(1000000, 1000000), 24 * 60);
}

TEST(Turns, ATurnAsLongAsThePullsLimitIsLeftToThatLimit) {
  const std::vector items{after(named("a", "m:1", 1, 'P'), 9, 9, 10), named("b", "m:1", 2)};
  EXPECT_EQ(who(items, {25 * 60}, slots(1)), std::nullopt)
      << "it is suspended for a while; or those who never end would give way to each other for ever";
}

TEST(Turns, WhatIsSaidOfItTellsWhetherSomethingIsKept) {
  TodoItem item;
  item.attempts = 2;
  item.not_before = kNow;
  const TodoItem kept = after_its_turn(item, kTurnOver, true, kNow);
  EXPECT_EQ(kept.last_error, "gave way: " + std::string(kTurnOver) + "; what came is kept");
  EXPECT_EQ(std::tuple(kept.attempts, kept.turns, kept.turns_lost), std::tuple(2, 1, 0));
  EXPECT_FALSE(kept.not_before);
  EXPECT_EQ(kept.yielded, kNow);
  const TodoItem lost = after_its_turn(kept, kTurnOver, false, kNow);
  EXPECT_EQ(std::tuple(lost.turns, lost.turns_lost), std::tuple(2, 1));
  EXPECT_FALSE(lost.last_error.ends_with(kKept));
}

// A server in minutes.  Each source needs so much work; a git fetch keeps nothing of a turn that ended.
class Day {
 public:
  struct Source {
    std::string client;
    int work = 1, came = 0;
    bool keeps = true;
    int left = 1, ended = -1, longest_wait = 0, since = 0;
  };
  explicit Day(std::size_t slots) : slots_(slots) {}

  void ask(const std::string& client, int work, bool keeps = true) {
    sources_.push_back({client, work, minute_, keeps, work, -1, 0, minute_});
    items_.push_back(named(client, "m:" + std::to_string(sources_.size()), kNow.seconds + 60 * minute_));
  }
  void pass(int until) {
    for (; minute_ < until; ++minute_) {
      begin();
      end_turns();
      begin();
      work();
    }
  }
  [[nodiscard]] const std::deque<Source>& sources() const { return sources_; }
  [[nodiscard]] std::size_t turns_of(std::size_t i) const {
    return static_cast<std::size_t>(items_[i].item.turns);
  }

 private:
  [[nodiscard]] Timestamp now() const { return kNow.plus(minutes(minute_)); }
  [[nodiscard]] std::set<Busy> running() const {
    std::set<Busy> out;
    for (const auto& [i, since] : at_work_) out.insert({items_[i].client, items_[i].stem});
    return out;
  }
  void begin() {
    while (const auto next = choose_next(items_, running(), done_, slots(slots_), {}, now())) {
      items_[*next].state = 'P';
      at_work_[*next] = minute_;
      Source& source = sources_[*next];
      source.longest_wait = std::max(source.longest_wait, minute_ - source.since);
    }
  }
  void end_turns() {
    std::vector<Holder> holders;
    for (const auto& [i, since] : at_work_)
      holders.push_back({{items_[i].client, items_[i].stem}, minutes(minute_ - since)});
    const auto who =
        choose_to_give_way(items_, holders, running(), done_, slots(slots_), {}, limits(), now());
    if (!who) return;
    for (auto& [i, since] : at_work_) {
      if (items_[i].stem != who->stem) continue;
      items_[i].state = 'C';
      items_[i].item = after_its_turn(items_[i].item, kTurnOver, sources_[i].keeps, now());
      sources_[i].since = minute_;
      if (!sources_[i].keeps) sources_[i].left = sources_[i].work;
      at_work_.erase(i);
      return;
    }
  }
  void work() {
    for (auto it = at_work_.begin(); it != at_work_.end();) {
      Source& source = sources_[it->first];
      if (--source.left > 0) {
        ++it;
        continue;
      }
      source.ended = minute_;
      done_.insert(try_key(items_[it->first]));
      items_[it->first].state = 'F';
      it = at_work_.erase(it);
    }
  }

  std::size_t slots_;
  int minute_ = 0;
  std::deque<Source> sources_;
  std::vector<TodoList::Named> items_;
  std::map<std::size_t, int> at_work_;
  std::set<std::string> done_;
};

TEST(Turns, OfAHundredClientsTenCrawlAndNobodyStarves) {
  Day day(4);
  for (int i = 0; i < 10; ++i) day.ask("slow" + std::to_string(i), 5 * 60);
  for (int hour = 1; hour <= 4; ++hour) {
    for (int i = 0; i < 90; ++i) day.ask("good" + std::to_string(i), 1);
    day.pass(hour * 60);
  }
  day.pass(20 * 60);
  int worst = 0;
  for (const Day::Source& source : day.sources()) {
    ASSERT_GE(source.ended, 0) << source.client << " of minute " << source.came;
    if (source.client.starts_with("good")) worst = std::max(worst, source.ended - source.came);
  }
  EXPECT_LE(worst, 120) << "90 that take a minute each, and ten first turns of half an hour";
}

TEST(Turns, AFetchThatNeedsManyTurnsInOnePieceComesToItsEndAmongOthers) {
  Day day(2);
  day.ask("large", 4 * 60, false);
  for (int minute = 0; minute < 16 * 60; minute += 20) {
    for (int i = 0; i < 3; ++i) day.ask("other" + std::to_string(i), 10);
    day.pass(minute + 20);
  }
  EXPECT_GE(day.turns_of(0), 3U);
  EXPECT_GE(day.sources()[0].ended, 0);
  EXPECT_LE(day.sources()[0].ended, 16 * 60);
}

}  // namespace
}  // namespace bk::server
