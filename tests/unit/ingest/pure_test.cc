#include "common/error/error.h"
#include "server/ingest/batch.h"
#include "server/ingest/commit_message.h"
#include "server/ingest/push_log.h"
#include "server/ingest/receipt_branch.h"
#include "tests/unit/ingest/installation.h"

#include <gtest/gtest.h>

namespace bk::server {
namespace {

const std::string kOid = "0123456789abcdef0123456789abcdef01234567";

TEST(CommitMessage, TheConfirmedCommitIsRead) {
  EXPECT_EQ(confirmed_receipts("requests from web1: 3\n\nreceipts: " + kOid + "\n")->hex(), kOid);
  EXPECT_EQ(confirmed_receipts("x\n\nother: 1\nreceipts: " + kOid)->hex(), kOid);
}

TEST(CommitMessage, AnythingElseConfirmsNothing) {
  for (const std::string& text : {std::string("x\n\nreceipts: none\n"), std::string(), "receipts: " + kOid,
                                  "x\n\nreceipts: " + kOid + "0\n", "x\n\nreceipts: 0123456789ABCDEF" + kOid})
    EXPECT_FALSE(confirmed_receipts(text)) << text;
}

TEST(PushLog, PushesThroughTheGateNameTheirUser) {
  const std::string zero(40, '0');
  const auto log =
      parse_push_log(zero + " " + kOid + " key (web1.) <backline@localhost> 1800000000 +0000\tpush\n" + kOid +
                     " " + zero + " root <root@x> 1800000000 +0000\n" + zero + " " + std::string(40, 'b') +
                     " key (../x) <backline@localhost> 1800000000 +0000\tpush\n" + "rubbish\n");
  ASSERT_EQ(log.size(), 1U);
  EXPECT_EQ(log.begin()->second, "web1.");
}

TEST(JudgeRequest, AGoodRequestPasses) {
  const proto::Request r = test::request(7);
  const auto judged =
      judge_request("RQ" + proto::request_stem(r.module, r.name), proto::write_request(r), "web1");
  ASSERT_TRUE(std::holds_alternative<proto::Request>(judged));
  EXPECT_EQ(std::get<proto::Request>(judged), r);
}

BadRequest bad(const std::string& file, const std::string& text) {
  const auto judged = judge_request(file, text, "web1");
  EXPECT_TRUE(std::holds_alternative<BadRequest>(judged));
  return std::holds_alternative<BadRequest>(judged) ? std::get<BadRequest>(judged) : BadRequest{};
}

TEST(JudgeRequest, AForgedClientIsRefused) {
  const proto::Request r = test::request(7, "web2");
  const BadRequest found = bad("RQ" + proto::request_stem(r.module, r.name), proto::write_request(r));
  EXPECT_EQ(found.status, kExitRefused);
  EXPECT_EQ(found.id, r.id);
  EXPECT_EQ(found.reason, "the request says client \"web2\", but it was pushed to \"web1.git\"");
}

TEST(JudgeRequest, AnotherFilesNameIsRefused) {
  EXPECT_EQ(bad("RQ" + proto::request_stem("wiki", "/other"), proto::write_request(test::request(7))).status,
            kExitProtocol);
}

TEST(JudgeRequest, ADamagedFileIsAnsweredWhenItsIdCanBeRead) {
  std::string text = proto::write_request(test::request(7));
  text.resize(text.size() - 10);
  EXPECT_EQ(bad("RQx", text).id, test::request(7).id);
  EXPECT_EQ(bad("RQx", "rubbish").id, "");
}

TEST(Mark, ItIsReadAsItIsWritten) { EXPECT_EQ(parse_mark(write_mark(41)), 41U); }

}  // namespace
}  // namespace bk::server
