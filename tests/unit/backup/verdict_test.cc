#include "server/backup/verdict.h"

#include <gtest/gtest.h>

namespace bk::server {
namespace {

const Timestamp kNow{10000, 0};

Limits limits() {
  using std::chrono::minutes;
  Limits out;
  out.attempts = 3;
  out.backoff = {minutes(1), minutes(5)};
  return out;
}

TodoItem item_after(int attempts) {
  TodoItem item;
  item.ids = {std::string(32, '1')};
  item.attempts = attempts;
  return item;
}

TEST(Verdict, AFailedAttemptWaitsAndIsCounted) {
  const Verdict v = judge_failure(item_after(1), Error(Kind::Transient, "line cut"), limits(), kNow);
  EXPECT_FALSE(v.end);
  EXPECT_EQ(v.item.attempts, 2);
  EXPECT_EQ(v.item.not_before->seconds, kNow.seconds + 300);
  EXPECT_EQ(v.item.last_error, "line cut");
  EXPECT_EQ(v.status, kExitTryLater);
}

TEST(Verdict, TheLastAttemptEndsAsFailedWithItsReason) {
  const Verdict v = judge_failure(item_after(2), Error(Kind::Protocol, "bad\nframe"), limits(), kNow);
  ASSERT_TRUE(v.end);
  EXPECT_EQ(v.end->outcome, proto::Outcome::Failed);
  EXPECT_EQ(v.end->status, kExitProtocol);
  EXPECT_EQ(v.end->reason, "bad frame (after 3 attempts)");
  EXPECT_TRUE(v.notice);
}

TEST(Verdict, ACutOrASuspensionThatLeavesLessToDoIsNotCounted) {
  for (const Kind kind : {Kind::Transient, Kind::Cancelled}) {
    const Verdict v =
        judge_failure(item_after(2), Error(kind, "too long"), limits(), kNow, Attempt::GotFurther);
    EXPECT_FALSE(v.end);
    EXPECT_EQ(v.item.attempts, 2);
    EXPECT_EQ(v.item.not_before->seconds, kNow.seconds + 60);
    EXPECT_EQ(v.status, kExitTryLater);
    EXPECT_EQ(v.item.last_error, (kind == Kind::Cancelled ? "suspended: too long" : "cut: too long") +
                                     std::string("; what came is kept"));
    EXPECT_TRUE(judge_failure(item_after(2), Error(kind, "too long"), limits(), kNow).end);
  }
  const Error bad(Kind::Protocol, "bad");
  EXPECT_TRUE(judge_failure(item_after(2), bad, limits(), kNow, Attempt::GotFurther).end);
}

TEST(Verdict, ATimeLimitNeverDiscardsARequestAndIsToldOnce) {
  const Error late(Kind::Cancelled, "git did not end");
  TodoItem item = item_after(2);
  for (int run = 0; run < 10; ++run) {
    const Verdict v = judge_failure(item, late, limits(), kNow, Attempt::Ended);
    EXPECT_FALSE(v.end);
    EXPECT_EQ(v.item.attempts, 2);
    EXPECT_EQ(v.item.last_error, "suspended: git did not end") << "nothing is promised to be kept";
    EXPECT_EQ(v.item.not_before->seconds, kNow.seconds + 300) << "late: it may come to nothing again";
    EXPECT_EQ(v.notice, run == 0);
    item = v.item;
  }
}

TEST(Verdict, ARefusalEndsAtOnce) {
  const Verdict v = judge_failure(item_after(0), Error(Kind::Refused, "no consent"), limits(), kNow);
  ASSERT_TRUE(v.end);
  EXPECT_EQ(v.end->outcome, proto::Outcome::Refused);
  EXPECT_EQ(v.status, kExitRefused);
}

TEST(Verdict, AFullDiskWaitsWithoutCountingAndIsToldOnce) {
  const Error full = sys_error(ENOSPC, "writing a pack");
  const Verdict first = judge_failure(item_after(2), full, limits(), kNow);
  EXPECT_FALSE(first.end);
  EXPECT_EQ(first.item.attempts, 2);
  EXPECT_TRUE(first.item.last_error.starts_with("waiting: space: writing a pack"));
  EXPECT_TRUE(first.notice);
  EXPECT_FALSE(judge_failure(first.item, full, limits(), kNow).notice);
}

TEST(Verdict, TheWorstStatusOfARunIsKept) {
  EXPECT_EQ(worse_status(kExitDone, kExitPartial), kExitPartial);
  EXPECT_EQ(worse_status(kExitCorrupt, kExitTryLater), kExitCorrupt);
  EXPECT_EQ(worse_status(kExitTryLater, kExitRefused), kExitRefused);
  EXPECT_EQ(worse_status(kExitPartial, 139), 139);
}

}  // namespace
}  // namespace bk::server
