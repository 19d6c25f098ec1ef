#include "server/retain/policy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace bk::server {
namespace {

Timestamp at(std::int64_t year, int month, int day, int hour = 12, int minute = 0) {
  return {*from_utc({year, month, day, hour, minute, 0}), 7};
}

std::vector<RetainedSnapshot> each(const std::vector<Timestamp>& times) {
  std::vector<RetainedSnapshot> out;
  for (const Timestamp& time : times) out.push_back({time});
  return out;
}

std::vector<RetainedSnapshot> days(int count) {
  std::vector<Timestamp> times;
  for (int i = 0; i < count; ++i) times.push_back({at(2026, 1, 1).seconds + i * 86400, 0});
  return each(times);
}

std::vector<std::size_t> kept(const KeepPolicy& policy, const std::vector<RetainedSnapshot>& snapshots) {
  std::vector<std::size_t> out;
  const auto reasons = choose_kept(policy, snapshots);
  for (std::size_t i = 0; i < reasons.size(); ++i)
    if (!reasons[i].empty()) out.push_back(i);
  return out;
}

using Places = std::vector<std::size_t>;

TEST(KeepPolicy, LastKeepsTheNewest) {
  EXPECT_EQ(kept({.last = 3}, days(10)), (Places{7, 8, 9}));
  EXPECT_EQ(kept({.last = 30}, days(3)), (Places{0, 1, 2}));
}

TEST(KeepPolicy, WhateverTheRulesSayTheNewestStays) {
  EXPECT_EQ(kept({}, days(5)), Places{4});
  EXPECT_TRUE(kept({}, {}).empty());
}

TEST(KeepPolicy, DailyKeepsTheNewestOfEachDayThatHasOne) {
  const auto snapshots = each({at(2026, 3, 1, 1), at(2026, 3, 1, 23), at(2026, 3, 2, 5), at(2026, 3, 2, 6),
                               at(2026, 3, 9, 0), at(2026, 3, 9, 1)});
  EXPECT_EQ(kept({.daily = 2}, snapshots), (Places{3, 5}));
  EXPECT_EQ(kept({.daily = 3}, snapshots), (Places{1, 3, 5}));
  EXPECT_EQ(choose_kept({.daily = 3}, snapshots)[1], std::vector<std::string>{"daily"});
}

TEST(KeepPolicy, WhileARuleHasRoomTheOldestStays) {
  const auto snapshots = each({at(2026, 3, 1, 1), at(2026, 3, 1, 23), at(2026, 3, 2, 5)});
  EXPECT_EQ(kept({.daily = 3}, snapshots), (Places{0, 1, 2}));
  EXPECT_EQ(choose_kept({.daily = 3}, snapshots)[0], std::vector<std::string>{"oldest"});
  EXPECT_EQ(kept({.daily = 2}, snapshots), (Places{1, 2}));
}

TEST(KeepPolicy, WeeksBeginOnMondayAndDoNotEndWithTheYear) {
  // 2026-12-28 is a Monday; its week goes on to Sunday, 2027-01-03.
  const auto snapshots =
      each({at(2026, 12, 20), at(2026, 12, 27), at(2026, 12, 28), at(2027, 1, 3), at(2027, 1, 4)});
  EXPECT_EQ(kept({.weekly = 3}, snapshots), (Places{1, 3, 4}));
}

TEST(KeepPolicy, MonthsAndYearsFollowTheCalendarInUtc) {
  const auto snapshots = each(
      {at(2024, 12, 31, 23, 59), at(2025, 1, 1, 0, 0), at(2025, 12, 31), at(2026, 1, 31), at(2026, 2, 1)});
  EXPECT_EQ(kept({.monthly = 3}, snapshots), (Places{2, 3, 4}));
  EXPECT_EQ(kept({.yearly = 3}, snapshots), (Places{0, 2, 4}));
}

TEST(KeepPolicy, WithinCountsFromTheNewestAndNotFromNow) {
  const auto snapshots =
      each({at(1999, 1, 1), at(2000, 2, 28), at(2000, 2, 29), at(2000, 3, 30), at(2000, 3, 31)});
  EXPECT_EQ(kept({.within = {1, 'd'}}, snapshots), (Places{3, 4}));
  EXPECT_EQ(kept({.within = {1, 'm'}}, snapshots), (Places{2, 3, 4})) << "February has 29 days then";
  EXPECT_EQ(kept({.within = {5, 'w'}}, snapshots), (Places{1, 2, 3, 4}));
  EXPECT_EQ(kept({.within = {2, 'y'}}, snapshots), (Places{0, 1, 2, 3, 4}));
}

TEST(KeepPolicy, HeldAndTheNewestCompleteStay) {
  auto snapshots = days(6);
  snapshots[0].held = true;
  for (std::size_t i : {3U, 4U, 5U}) snapshots[i].complete = false;
  EXPECT_EQ(kept({.last = 1}, snapshots), (Places{0, 2, 5}));
  EXPECT_EQ(choose_kept({.last = 1}, snapshots)[2], std::vector<std::string>{"newest complete"});
  EXPECT_EQ(kept({.all = true}, snapshots).size(), 6U);
}

TEST(KeepPolicy, SpansEndInMonthsThatAreShorter) {
  EXPECT_EQ(earlier(at(2026, 3, 31), {1, 'm'}), at(2026, 2, 28));
  EXPECT_EQ(earlier(at(2024, 2, 29), {1, 'y'}), at(2023, 2, 28));
  EXPECT_EQ(earlier(at(2026, 1, 15), {13, 'm'}), at(2024, 12, 15));
  EXPECT_EQ(earlier(at(2026, 1, 15), {10000, 'y'}).nanoseconds, 7U);
}

// What a rule keeps, it keeps again when nothing new came; and more is never less.
TEST(KeepPolicy, ApplyingARuleTwiceRemovesNothingMoreAndLargerCountsKeepMore) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::set<std::int64_t> seconds;
    for (std::size_t i = 0, n = 1 + random() % 60; i < n; ++i)
      seconds.insert(1'700'000'000 + static_cast<std::int64_t>(random() % 60'000'000));
    std::vector<RetainedSnapshot> snapshots;
    for (const std::int64_t second : seconds)
      snapshots.push_back({{second, 0}, random() % 4 != 0, random() % 9 == 0});
    KeepPolicy policy;
    const std::array<int KeepPolicy::*, 6> counts{&KeepPolicy::last,    &KeepPolicy::hourly,
                                                  &KeepPolicy::daily,   &KeepPolicy::weekly,
                                                  &KeepPolicy::monthly, &KeepPolicy::yearly};
    for (const auto count : counts) policy.*count = static_cast<int>(random() % 5);
    if (random() % 2 != 0) policy.within = {static_cast<int>(1 + random() % 9), "dwmy"[random() % 4]};
    const Places first = kept(policy, snapshots);
    ASSERT_EQ(first.back(), snapshots.size() - 1);
    std::vector<RetainedSnapshot> left;
    for (const std::size_t place : first) left.push_back(snapshots[place]);
    EXPECT_EQ(kept(policy, left).size(), left.size());
    policy.*counts[random() % 6] += 3;
    EXPECT_GE(kept(policy, snapshots).size(), first.size());
  }
}

}  // namespace
}  // namespace bk::server
