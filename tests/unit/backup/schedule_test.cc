#include "server/backup/schedule.h"

#include "common/error/error.h"

#include <gtest/gtest.h>

namespace bk::server {
namespace {

const Timestamp kNow{10000, 0};

TodoList::Named named(const std::string& client, const std::string& stem, std::int64_t taken,
                      char state = 'C') {
  TodoList::Named out;
  out.client = client;
  out.stem = stem;
  out.state = state;
  out.item.request.id = client + stem;
  out.item.request.module = stem.substr(0, stem.find(':'));
  out.item.taken = {taken, 0};
  return out;
}

Slots slots(std::size_t all, std::size_t of_client) {
  return {all, [of_client](const std::string&) { return of_client; }};
}

TEST(Schedule, TheClientWithTheFewestPullsIsServedFirst) {
  const std::vector items{named("a", "m:1", 1), named("a", "m:2", 2), named("b", "m:1", 3)};
  EXPECT_EQ(choose_next(items, {{"a", "m:1"}}, {"a/am:1"}, slots(4, 4), {}, kNow), 2U);
}

TEST(Schedule, AHangingClientFillsOnlyItsOwnSlots) {
  const std::vector items{named("a", "m:1", 1), named("a", "m:2", 2), named("a", "m:3", 3),
                          named("b", "m:1", 9)};
  const std::set<Busy> running{{"a", "m:1"}, {"a", "m:2"}};
  EXPECT_EQ(choose_next(items, running, {}, slots(4, 2), {}, kNow), 3U);
  EXPECT_EQ(choose_next(items, running, {}, slots(2, 2), {}, kNow), std::nullopt);
}

TEST(Schedule, WhatWentWrongBeforeHasHalfOfTheSlotsAndOneForCertain) {
  std::vector items{named("a", "m:1", 1), named("b", "m:1", 2), named("c", "m:1", 3), named("d", "m:1", 9)};
  for (std::size_t i = 0; i < 3; ++i) items[i].item.last_error = "the client was silent";
  EXPECT_EQ(choose_next(items, {}, {}, slots(4, 2), {}, kNow), 0U) << "the oldest, whatever it did";
  items[0].state = 'P';
  EXPECT_EQ(choose_next(items, {{"a", "m:1"}}, {}, slots(4, 2), {}, kNow), 3U) << "others first";
  items[3].state = 'P';
  EXPECT_EQ(choose_next(items, {{"a", "m:1"}, {"d", "m:1"}}, {}, slots(4, 2), {}, kNow), 1U);
  items[1].state = 'P';
  EXPECT_EQ(choose_next(items, {{"a", "m:1"}, {"b", "m:1"}, {"d", "m:1"}}, {}, slots(4, 2), {}, kNow),
            std::nullopt)
      << "one slot stays for whoever comes";
  items[2].item.last_error = std::string("cut: the line broke") + kKept;
  EXPECT_EQ(choose_next(items, {{"a", "m:1"}, {"b", "m:1"}, {"d", "m:1"}}, {}, slots(4, 2), {}, kNow), 2U)
      << "it got further";
  EXPECT_EQ(choose_next({items[1]}, {}, {}, slots(1, 2), {}, kNow), 0U);
}

TEST(Schedule, ClientsThatNeverSucceededHaveASlotEachAndLeaveOne) {
  std::vector items{named("new1", "m:1", 1), named("new1", "m:2", 2), named("new2", "m:1", 3),
                    named("new3", "m:1", 4), named("new4", "m:1", 5), named("old", "m:1", 9)};
  Slots four = slots(4, 2);
  four.is_new = [](const std::string& client) { return client.starts_with("new"); };
  std::set<Busy> running;
  for (const std::size_t wanted : {0U, 2U, 3U}) {
    if (wanted == 0) {
      EXPECT_EQ(choose_next(items, running, {}, four, {}, kNow), wanted);
    }
    running.insert({items[wanted].client, items[wanted].stem});
    items[wanted].state = 'P';
  }
  EXPECT_EQ(choose_next(items, running, {}, four, {}, kNow), 5U) << "the fourth slot";
  items.pop_back();
  EXPECT_EQ(choose_next(items, running, {}, four, {}, kNow), std::nullopt) << "stays for whoever comes";
  running.erase({"new2", "m:1"});
  items.erase(items.begin() + 2);
  EXPECT_EQ(choose_next(items, running, {}, four, {}, kNow), 3U) << "new4, and no second one of new1";
  Slots one = slots(1, 2);
  one.is_new = four.is_new;
  EXPECT_EQ(choose_next({named("new1", "m:1", 1)}, {}, {}, one, {}, kNow), 0U);
}

TEST(Schedule, WhatACrashLeftInWorkComesFirst) {
  const std::vector items{named("a", "m:1", 1), named("b", "m:1", 9, 'P')};
  EXPECT_EQ(choose_next(items, {}, {}, slots(4, 2), {}, kNow), 1U);
}

TEST(Schedule, ARequestWaitsWhileItsSourceIsAtWork) {
  const std::vector items{named("a", "m:1", 1), named("a", "m:1", 0, 'P')};
  EXPECT_EQ(choose_next(items, {{"a", "m:1"}}, {}, slots(4, 4), {}, kNow), std::nullopt);
}

TEST(Schedule, WaitingTimesHoldUnlessOneClientIsAskedFor) {
  std::vector items{named("a", "m:1", 1)};
  items[0].item.not_before = kNow.plus(std::chrono::seconds(30));
  EXPECT_EQ(choose_next(items, {}, {}, slots(4, 4), {}, kNow), std::nullopt);
  EXPECT_EQ(choose_next(items, {}, {}, slots(4, 4), parse_selection("a"), kNow), 0U);
  EXPECT_EQ(choose_next(items, {}, {}, slots(4, 4), parse_selection("a:other"), kNow), std::nullopt);
  EXPECT_EQ(next_due(items, {}, kNow)->seconds, kNow.seconds + 30);
}

TEST(Schedule, APausedClientBeginsNothingAndWakesNobody) {
  const std::vector items{named("a", "m:1", 1, 'P'), named("b", "m:1", 2)};
  const Slots paused{4, [](const std::string& client) { return client == "a" ? 0U : 2U; }};
  EXPECT_EQ(choose_next(items, {}, {}, paused, {}, kNow), 1U);
  EXPECT_EQ(choose_next(items, {}, {}, paused, parse_selection("a"), kNow), std::nullopt);
  EXPECT_EQ(next_due(items, {}, kNow, {"b"}), std::nullopt);
}

TEST(Schedule, AWaitThatAClockWroteWhichWasAheadDoesNotHold) {
  std::vector items{named("a", "m:1", 1)};
  items[0].item.not_before = Timestamp{kNow.seconds + 400 * 24 * 3600, 0};
  EXPECT_EQ(choose_next(items, {}, {}, slots(4, 4), {}, kNow), 0U);
}

TEST(Schedule, ASelectionIsAClientOrAClientAndAModule) {
  EXPECT_EQ(parse_selection("web1:wiki").module, "wiki");
  EXPECT_THROW((void)parse_selection("../web1"), Error);
  EXPECT_THROW((void)parse_selection("web1:"), Error);
  EXPECT_THROW((void)parse_selection(""), Error);
}

}  // namespace
}  // namespace bk::server
