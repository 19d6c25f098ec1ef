#include "server/ingest/endings.h"

#include "common/io/file.h"
#include "tests/unit/ingest/installation.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace bk::server {
namespace {

using test::FixedClock;
using test::Installation;
using test::request;

std::string entry_of(const Installation& at, std::uint64_t number) {
  return at.home() + "/TODO/web1/C" + proto::request_stem("wiki", request(number).name);
}
std::vector<std::string> set_aside(const Installation& at) {
  std::vector<std::string> problems;
  TodoList list = at.todo();
  (void)list.pending(problems);
  EXPECT_TRUE(list.take_note_of_set_aside());
  EXPECT_FALSE(list.take_note_of_set_aside());
  return problems;
}

TEST(Endings, WhoAskedForWhatWasSetAsideIsTold) {
  const Installation at;
  at.push({request(1), request(2)});
  (void)at.run();
  std::string text = read_file(entry_of(at, 1));
  text[text.find("rsync")] = 'R';
  replace_durably(entry_of(at, 1), text);
  EXPECT_EQ(set_aside(at).size(), 1U);
  const std::vector<std::string> told = answer_set_aside(at.home(), "web1", FixedClock());
  ASSERT_EQ(told.size(), 1U);
  EXPECT_NE(told[0].find("1 requests were answered"), std::string::npos) << told[0];
  EXPECT_EQ(at.answers(), "1:failed 2:taken ");
  EXPECT_EQ(at.receipts()[0].status, 65);
  EXPECT_NE(at.receipts()[0].reason.find("ask for it again"), std::string::npos);
  const std::string tip = at.receipts_tip();
  EXPECT_TRUE(answer_set_aside(at.home(), "web1", FixedClock()).empty()) << "only once";
  EXPECT_EQ(at.receipts_tip(), tip);
  EXPECT_EQ(at.pending(), 1U);
}

TEST(Endings, AnIdThatAnotherEntryAnswersGetsNoSecondAnswer) {
  const Installation at;
  at.push({request(1), request(2)});
  (void)at.run();
  replace_durably(entry_of(at, 1), "bk-todo 1\nid: " + request(2).id + "\nanswers: nonsense\n");
  EXPECT_EQ(set_aside(at).size(), 1U);
  const std::vector<std::string> told = answer_set_aside(at.home(), "web1", FixedClock());
  EXPECT_NE(told.at(0).find("nobody was told"), std::string::npos);
  EXPECT_EQ(at.answers(), "1:taken 2:taken ");
}

TEST(Endings, WhatWaitsOfAClientThatWasRetiredIsRefused) {
  const Installation at;
  at.push({request(1), request(2), request(3)});
  (void)at.run();
  ASSERT_TRUE(at.todo().claim("web1", proto::request_stem("wiki", request(2).name)));  // at work
  replace_durably(entry_of(at, 3), "bk-todo 1\nid: " + request(3).id + "\n");
  std::vector<std::string> told;
  EXPECT_EQ(end_waiting(at.home(), "web1", "client web1 was retired", FixedClock(), told), 1U);
  EXPECT_EQ(told.size(), 2U) << "set aside, and answered";
  EXPECT_EQ(at.answers(), "1:refused 2:taken 3:failed ");
  EXPECT_EQ(at.receipts()[0].reason, "client web1 was retired");
  EXPECT_EQ(end_waiting(at.home(), "web1", "client web1 was retired", FixedClock(), told), 0U);
  EXPECT_EQ(end_waiting(at.home(), "nobody", "x", FixedClock(), told), 0U);
}

// A do_backup and an administrator who retires the client, say.
TEST(Endings, TwoWhoAnswerAtTheSameTimeDoItOnce) {
  const Installation at;
  at.push({request(1)});
  (void)at.run();
  replace_durably(entry_of(at, 1), "bk-todo 1\nid: " + request(1).id + "\n");
  EXPECT_EQ(set_aside(at).size(), 1U);
  TodoList one = at.todo();
  TodoList other = at.todo();
  const auto seen_by_one = one.set_aside("web1");
  const auto seen_by_other = other.set_aside("web1");
  ASSERT_EQ(seen_by_one.size(), 1U);
  ASSERT_EQ(seen_by_other.size(), 1U);
  EXPECT_EQ(one.with_set_aside(), std::vector<std::string>{"web1"});
  const Finished end{proto::Outcome::Failed, 65, "", "damaged", {1783000000, 0}};
  EXPECT_TRUE(one.close_set_aside("web1", seen_by_one[0], end));
  EXPECT_FALSE(other.close_set_aside("web1", seen_by_other[0], end));
  EXPECT_TRUE(one.with_set_aside().empty());
}

}  // namespace
}  // namespace bk::server
