#include "server/ingest/receipts.h"

#include "tests/unit/ingest/installation.h"

#include <gtest/gtest.h>

#include <thread>

namespace bk::server {
namespace {

using proto::Outcome;
using test::Installation;

proto::Receipt receipt(std::uint64_t number, Outcome outcome) {
  proto::Receipt out;
  out.id = fmt::format("{:032x}", number);
  out.outcome = outcome;
  out.time = test::FixedClock().now();
  return out;
}

TEST(Receipts, AFinalOutcomeReplacesTakenAndNeverTheOtherWayRound) {
  const Installation at;
  ReceiptBook book(at.path());
  book.put({receipt(1, Outcome::Taken), receipt(2, Outcome::Taken)});
  book.put({receipt(1, Outcome::Ok)});
  book.put({receipt(1, Outcome::Taken)});
  EXPECT_EQ(at.answers(), "1:ok 2:taken ");
}

TEST(Receipts, PuttingTheSameAgainMakesNoCommit) {
  const Installation at;
  ReceiptBook book(at.path());
  book.put({receipt(1, Outcome::Ok)});
  const std::string tip = at.receipts_tip();
  book.put({receipt(1, Outcome::Ok)});
  EXPECT_EQ(at.receipts_tip(), tip);
}

TEST(Receipts, SeveralWritersLoseNothing) {
  const Installation at;
  std::vector<std::jthread> writers;
  for (std::uint64_t w = 0; w < 4; ++w) {
    writers.emplace_back([&, w] {
      ReceiptBook book(at.path());
      for (std::uint64_t i = 0; i < 5; ++i) book.put({receipt(w * 5 + i + 1, Outcome::Ok)});
    });
  }
  writers.clear();
  EXPECT_EQ(at.receipts().size(), 20U);
}

}  // namespace
}  // namespace bk::server
