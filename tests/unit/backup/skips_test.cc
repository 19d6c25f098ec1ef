#include "server/backup/skips.h"

#include <gtest/gtest.h>

namespace bk::server {
namespace {

TEST(Skips, WhatTheCmdCouldNotReadCountsWithWhatThePullCouldNot) {
  proto::Request request;
  request.skipped_count = 20;
  request.skipped = {"unreadable a"};
  const Skips skips = all_skips(request, {2, {"changed b", "denied c"}});
  EXPECT_EQ(skips.count, 22U);
  EXPECT_EQ(skips.shown, (std::vector<std::string>{"unreadable a", "changed b", "denied c"}));
}

TEST(Skips, AWholeSourceAddsNothing) {
  EXPECT_EQ(all_skips({}, {}).count, 0U);
  EXPECT_TRUE(all_skips({}, {}).shown.empty());
}

TEST(Skips, CountsThatWouldOverflowNeverLookLikeNone) {
  proto::Request request;
  request.skipped_count = UINT64_MAX;
  EXPECT_EQ(all_skips(request, {1, {}}).count, kMostSkips);
  request.skipped_count = 1;
  EXPECT_EQ(all_skips(request, {UINT64_MAX, {}}).count, kMostSkips);
}

}  // namespace
}  // namespace bk::server
