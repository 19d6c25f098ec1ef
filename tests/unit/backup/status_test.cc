#include "server/backup/status.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace bk::server {
namespace {

const Timestamp kNow{100000, 0};

CatalogSnapshot row(std::int64_t began) {
  CatalogSnapshot r;
  r.client = "web1";
  r.module = "wiki";
  r.method = "sftp";
  r.name = "/srv/\xff\n";
  r.began = {began, 0};
  r.bytes = 7;
  return r;
}

TodoList::Named waiting() {
  TodoList::Named item;
  item.client = "web1";
  item.item.request.module = "wiki";
  item.item.request.method = "sftp";
  item.item.request.name = "/srv/\xff\n";
  item.item.attempts = 2;
  item.item.not_before = Timestamp{100300, 0};
  item.item.last_error = "connecting: refused";
  return item;
}

TodoList::Named ended(proto::Outcome outcome, std::int64_t when, const std::string& reason) {
  TodoList::Named item = waiting();
  item.state = 'F';
  item.item.attempts = 0;
  item.item.not_before.reset();
  item.item.last_error.clear();
  item.item.finished = Finished{outcome, 75, "", reason, {when, 0}};
  return item;
}

SourceStatus only(const StatusFacts& facts) {
  const auto sources = collect_status(facts, kNow);
  EXPECT_EQ(sources.size(), 1U);
  return sources.at(0);
}

StatusFacts rows(std::initializer_list<std::int64_t> began) {
  StatusFacts facts;
  for (const std::int64_t time : began) facts.snapshots.push_back(row(time));
  return facts;
}

auto every(std::chrono::seconds period) {
  return [period](const auto&...) -> std::optional<Expected> { return Expected{period}; };
}

TEST(Status, ASourceShowsItsNewestSuccessAndWhatWaits) {
  StatusFacts facts = rows({50000, 90000});
  facts.pending = {waiting()};
  const auto sources = collect_status(facts, kNow);
  ASSERT_EQ(sources.size(), 1U);
  EXPECT_EQ(sources[0].snapshots, 2U);
  EXPECT_EQ(sources[0].last_success->seconds, 90000);
  EXPECT_EQ(sources[0].state, "waiting");
  const std::string text = show_status(sources, {}, kNow);
  EXPECT_NE(text.find("web1 wiki sftp \"/srv/\\xff\\n\""), std::string::npos) << text;
  EXPECT_NE(text.find("(2 h ago)"), std::string::npos) << text;
  EXPECT_NE(text.find("2 failed attempts, next try 1970-01-02T03:51:40Z: connecting: refused"),
            std::string::npos)
      << text;
}

TEST(Status, ASourceThatGaveWayIsShownToGoOn) {
  StatusFacts facts = rows({90000});
  facts.pending = {waiting()};
  TodoItem& item = facts.pending[0].item;
  item.attempts = 0;
  item.not_before.reset();
  item.turns = 2;
  item.last_error = "gave way: others waited; what came is kept";
  const auto sources = collect_status(facts, kNow);
  const std::string text = show_status(sources, {}, kNow);
  EXPECT_NE(text.find("queued, gave way to others 2 times and goes on in its turn: gave way: others waited"),
            std::string::npos)
      << text;
  EXPECT_EQ(nlohmann::json::parse(show_status_json(sources, {}, kNow))["sources"][0]["gave_way"], 2);
}

TEST(Status, JsonHoldsEveryNameWhateverItsBytes) {
  const auto json = nlohmann::json::parse(show_status_json(collect_status(rows({90000}), kNow), {}, kNow));
  EXPECT_EQ(json["sources"][0]["path"], "/srv/%FF%0A");
  EXPECT_EQ(json["sources"][0]["age_seconds"], 10000);
  EXPECT_EQ(json["sources"][0]["state"], "idle");
  EXPECT_TRUE(json["paused"].is_null());
}

TEST(Status, APeriodIsLearnedFromWhatASourceDid) {
  EXPECT_FALSE(only(rows({60000, 70000, 80000})).period) << "three say too little";
  const SourceStatus s = only(rows({1000, 79000, 82600, 86200, 96000}));
  ASSERT_TRUE(s.period);
  EXPECT_TRUE(s.learned);
  EXPECT_EQ(s.period->count(), 9800) << "the longer of the two in the middle, not the gap";
  EXPECT_EQ(s.next->seconds, 96000 + 9800);
}

TEST(Status, NoSuccessForTooManyPeriodsIsOverdue) {
  StatusFacts facts = rows({90000});
  EXPECT_FALSE(only(facts).overdue) << "nobody knows how often";
  facts.expected = every(std::chrono::seconds(3000));
  EXPECT_TRUE(only(facts).overdue);
  EXPECT_NE(show_status(collect_status(facts, kNow), {}, kNow).find("OVERDUE"), std::string::npos);
  facts.overdue_after = 4;
  EXPECT_FALSE(only(facts).overdue);
  facts.overdue_after = 0;
  EXPECT_FALSE(only(facts).overdue) << "0 switches it off";
}

TEST(Status, ASourceThatMayRestIsNeverOverdue) {
  StatusFacts facts = rows({1000, 2000, 3000, 4000, 5000});
  EXPECT_TRUE(only(facts).overdue);
  facts.expected = [](const auto&...) -> std::optional<Expected> { return Expected{}; };
  EXPECT_FALSE(only(facts).overdue);
}

TEST(Status, AFailureAfterTheLastSuccessIsShownAndAnOlderOneIsNot) {
  StatusFacts facts = rows({90000});
  facts.finished = {ended(proto::Outcome::Failed, 95000, "no route")};
  EXPECT_EQ(only(facts).state, "failed");
  EXPECT_EQ(only(facts).last_error, "no route");
  facts.finished = {ended(proto::Outcome::Refused, 80000, "old")};
  EXPECT_EQ(only(facts).state, "idle");
  EXPECT_EQ(only(facts).last_error, "");
}

TEST(Status, WhatNeverSucceededIsOverdueOnceItFailedOrWaitedTooLong) {
  StatusFacts facts;
  facts.finished = {ended(proto::Outcome::Failed, 95000, "no route")};
  EXPECT_TRUE(only(facts).overdue);
  facts = {};
  facts.expected = every(std::chrono::seconds(1000));
  facts.pending = {waiting()};
  facts.pending[0].item.taken = {99000, 0};
  EXPECT_FALSE(only(facts).overdue);
  facts.pending[0].item.taken = {96000, 0};
  EXPECT_TRUE(only(facts).overdue);
}

TEST(Status, APauseSaysSinceWhenAndHowItEnds) {
  StatusFacts facts = rows({90000});
  facts.paused = [](const std::string&) { return std::optional(Timestamp{99000, 0}); };
  const std::string text = show_status(collect_status(facts, kNow), Timestamp{98000, 0}, kNow);
  EXPECT_NE(text.find("paused since 1970-01-02T03:30:00Z; do_backup --resume web1 ends it"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("everything is paused since 1970-01-02T03:13:20Z"), std::string::npos) << text;
}

}  // namespace
}  // namespace bk::server
