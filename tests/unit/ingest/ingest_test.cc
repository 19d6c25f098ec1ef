#include "server/ingest/ingest.h"

#include "common/error/error.h"
#include "common/io/lock.h"
#include "server/ingest/checkpoint.h"
#include "server/ingest/cursor.h"
#include "server/ingest/receipts.h"
#include "tests/unit/ingest/installation.h"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace bk::test {

void Installation::finish(const proto::Request& r, proto::Outcome outcome) const {
  server::TodoList list = todo();
  const std::string stem = proto::request_stem(r.module, r.name);
  ASSERT_TRUE(list.claim("web1", stem));
  std::vector<std::string> problems;
  for (const server::TodoList::Named& named : list.pending(problems)) {
    if (named.stem != stem) continue;
    server::Finished end;
    end.outcome = outcome;
    end.reason = outcome == proto::Outcome::Ok ? "" : "because";
    end.time = FixedClock().now();
    std::vector<proto::Receipt> receipts;
    for (const std::string& id : named.item.ids) {
      proto::Receipt receipt;
      receipt.id = id;
      receipt.outcome = outcome;
      receipt.reason = end.reason;
      receipt.time = end.time;
      receipts.push_back(receipt);
    }
    server::ReceiptBook(path()).put(receipts);
    list.finish("web1", stem, named.item, end);
  }
}

}  // namespace bk::test

namespace bk::server {
namespace {

using proto::Outcome;
using test::Installation;
using test::request;

TEST(Ingest, ARequestIsInTodoAndTaken) {
  const Installation at;
  const git::Oid tip = at.push({request(1), request(2)});
  const IngestReport report = at.run();
  EXPECT_EQ(report.added, 2U);
  EXPECT_EQ(at.pending(), 2U);
  EXPECT_EQ(at.answers(), "1:taken 2:taken ");
  EXPECT_EQ(at.mark(), 2U);
  EXPECT_EQ(read_cursor(at.path()), tip);
}

TEST(Ingest, WithoutNewsNothingMoves) {
  const Installation at;
  at.push({request(1)});
  (void)at.run();
  const std::string tip = at.receipts_tip();
  EXPECT_EQ(at.run().commits, 0U);
  EXPECT_EQ(at.receipts_tip(), tip);
}

TEST(Ingest, ABadRequestGetsAReceiptAndTheOthersGoOn) {
  const Installation at;
  const proto::Request forged = request(3, "web2");
  std::string damaged = proto::write_request(request(2));
  damaged[damaged.find("rsync")] = 'R';
  at.commit({{"RQ" + proto::request_stem("wiki", request(1).name), proto::write_request(request(1))},
             {"RQ" + proto::request_stem("wiki", request(2).name), damaged},
             {"RQ" + proto::request_stem("wiki", request(3).name), proto::write_request(forged)},
             {"RQ" + proto::request_stem("wiki", request(4).name), "rubbish"}});
  const IngestReport report = at.run();
  EXPECT_EQ(report.added, 1U);
  EXPECT_EQ(report.refused, 3U);
  EXPECT_EQ(at.pending(), 1U);
  EXPECT_EQ(at.answers(), "1:taken 2:refused 3:refused ");
  EXPECT_EQ(at.receipts()[2].status, kExitRefused);
}

TEST(Ingest, AConfirmedReceiptGoesAndANewerOneStays) {
  const Installation at;
  at.push({request(1), request(2)});
  (void)at.run();
  const std::string seen = at.receipts_tip();
  at.finish(request(1), Outcome::Ok);
  at.push({}, seen);
  (void)at.run();
  EXPECT_EQ(at.answers(), "1:ok ") << "2's taken was confirmed, 1's outcome was not seen yet";
  EXPECT_EQ(at.mark(), 2U);
}

TEST(Ingest, ARepeatedRequestRunsOnceAndIsAnsweredAgain) {
  const Installation at;
  at.push({request(1)});
  (void)at.run();
  at.push({}, at.receipts_tip());
  (void)at.run();
  EXPECT_EQ(at.answers(), "");
  at.push({request(1)});
  EXPECT_EQ(at.run().repeated, 1U);
  EXPECT_EQ(at.answers(), "1:taken ");
  EXPECT_EQ(at.pending(), 1U);
}

TEST(Ingest, ARolledBackClientIsToldTheOutcomeOfWhatItAsksAgain) {
  const Installation at;
  at.push({request(1)});
  (void)at.run();
  at.finish(request(1), Outcome::Failed);
  at.push({}, at.receipts_tip());
  (void)at.run();
  EXPECT_EQ(at.answers(), "");
  at.push({request(1)});
  (void)at.run();
  EXPECT_EQ(at.answers(), "1:failed ");
  EXPECT_EQ(at.receipts().front().reason, "because");
  EXPECT_EQ(at.pending(), 0U) << "not run twice";
}

TEST(Ingest, ADeletedControlRepositoryLosesAndDoublesNothing) {
  const Installation at;
  at.push({request(1), request(2)});
  (void)at.run();
  at.finish(request(1), Outcome::Ok);
  remove_tree(at.path());
  at.make_repository();
  at.push({request(1), request(2), request(3)});
  (void)at.run();
  EXPECT_EQ(at.answers(), "1:ok 2:taken 3:taken ");
  EXPECT_EQ(at.pending(), 2U);
  EXPECT_EQ(at.mark(), 3U);
}

TEST(Ingest, AnOutcomeFindsItsWayWhenTheRepositoryIsGone) {
  const Installation at;
  at.push({request(1)});
  (void)at.run();
  remove_tree(at.path());
  at.finish(request(1), Outcome::Ok);
  EXPECT_EQ(at.answers(), "1:ok ");
}

TEST(Ingest, ALostCursorReadsEverythingAgainWithoutHarm) {
  const Installation at;
  at.push({request(1)});
  at.push({request(2)});
  (void)at.run();
  replace_durably(at.path() + "/backline/cursor", "rubbish");
  const IngestReport report = at.run();
  EXPECT_EQ(report.commits, 2U);
  EXPECT_EQ(report.added, 0U);
  EXPECT_EQ(at.pending(), 2U);
}

TEST(Ingest, ATodoEntryWithoutReceiptIsAnsweredByTheNextRun) {
  const Installation at;
  at.push({request(1)});
  TodoList list = at.todo();
  ASSERT_EQ(list.add("web1", request(1), "web1", test::FixedClock().now()),
            Added::New);  // and then it crashed
  (void)at.run();
  EXPECT_EQ(at.answers(), "1:taken ");
  EXPECT_EQ(at.pending(), 1U);
}

// What a power cut after "pushed" leaves: the ref is new, objects are empty files.
TEST(Ingest, ATipThatCannotBeReadIsSetBackAndTheClientPushesAgain) {
  const Installation at;
  const git::Oid good = at.push({request(1)});
  (void)at.run();
  const git::Oid lost = at.push({request(2)});
  const std::string hex = lost.hex();
  const std::string file = at.path() + "/objects/" + hex.substr(0, 2) + "/" + hex.substr(2);
  remove_durably(file);
  replace_durably(file, "");
  const IngestReport report = at.run();
  EXPECT_TRUE(report.set_back);
  EXPECT_EQ(git::Repository(at.path()).ref(kRequestsRef), good);
  EXPECT_FALSE(path_exists(file)) << "a broken object would be taken for the real one at the next push";
  at.push({request(2)});
  EXPECT_EQ(at.run().added, 1U);
  EXPECT_EQ(at.pending(), 2U);
}

TEST(Ingest, ALostBlobOrAnEmptyRefIsSetBackToo) {
  const Installation at;
  at.push({request(1)});
  (void)at.run();
  replace_durably(at.path() + "/" + kRequestsRef, "");
  EXPECT_TRUE(at.run().set_back);
  at.push({request(2)});
  const git::Repository repository(at.path());
  const git::Oid tip = *repository.ref(kRequestsRef);
  const std::string hex = repository.tree(repository.commit(tip).tree).front().oid.hex();
  remove_durably(at.path() + "/objects/" + hex.substr(0, 2) + "/" + hex.substr(2));
  EXPECT_TRUE(at.run().set_back);
  EXPECT_EQ(at.pending(), 1U);
}

TEST(Ingest, AnUnreadableReceiptsBranchIsBegunAnew) {
  const Installation at;
  at.push({request(1)});
  (void)at.run();
  const std::string hex = at.receipts_tip();
  remove_durably(at.path() + "/objects/" + hex.substr(0, 2) + "/" + hex.substr(2));
  at.push({request(1), request(2)});
  (void)at.run();
  EXPECT_EQ(at.answers(), "1:taken 2:taken ");
}

TEST(Ingest, ADeadGitsLockDoesNotStopAnybody) {
  const Installation at;
  replace_durably(at.path() + "/refs/heads/receipts.lock", "");
  replace_durably(at.path() + "/refs/heads/requests.lock", "");
  remove_durably(at.path() + "/refs/heads/requests.lock");
  at.push({request(1)});
  replace_durably(at.path() + "/refs/heads/requests.lock", "");
  EXPECT_EQ(at.run().added, 1U);
  EXPECT_FALSE(path_exists(at.path() + "/refs/heads/requests.lock"));
}

TEST(Ingest, ThePushingUserIsRecordedAndJudged) {
  const Installation at;
  const git::Oid first = at.push({request(1)});
  const git::Oid second = at.push({request(2)});
  const std::string zero(40, '0');
  const std::string log = at.path() + "/logs/refs/heads/requests";
  ensure_directory(parent_of(log));
  const auto line = [](const std::string& from, const std::string& to, const std::string& user) {
    return from + " " + to + " key (" + user + ") <backline@localhost> 1800000000 +0000\tpush\n";
  };
  replace_durably(log, line(zero, first.hex(), "bob") + line(first.hex(), second.hex(), "eve"));
  ensure_directory(admin_repository(at.home()) + "/backline");
  replace_durably(accepted_file(at.home(), "backline.conf"), "[client web1]\nusers = bob\n");
  (void)at.run();
  EXPECT_EQ(at.answers(), "1:taken 2:refused ");
  TodoList list = at.todo();
  std::vector<std::string> problems;
  EXPECT_EQ(list.pending(problems).front().item.by, "bob");
}

TEST(Ingest, APushersNameWithAHostIsKeptAndItsRequestIsNotLost) {
  const Installation at;
  const git::Oid tip = at.push({request(1)});
  const std::string log = at.path() + "/logs/refs/heads/requests";
  ensure_directory(parent_of(log));
  replace_durably(log, std::string(40, '0') + " " + tip.hex() +
                           " key (bob@laptop) <backline@localhost> 1800000000 +0000\tpush\n");
  ensure_directory(admin_repository(at.home()) + "/backline");
  replace_durably(accepted_file(at.home(), "backline.conf"), "[client web1]\nusers = bob@laptop\n");
  (void)at.run();
  EXPECT_EQ(at.answers(), "1:taken ");
  TodoList list = at.todo();
  std::vector<std::string> problems;
  const std::vector<TodoList::Named> pending = list.pending(problems);
  ASSERT_EQ(pending.size(), 1U) << (problems.empty() ? "" : problems.front());
  EXPECT_EQ(pending.front().item.by, "bob@laptop");
}

TEST(Ingest, MoreThanAClientMayQueueIsRefusedWithAReceipt) {
  const Installation at;
  std::vector<proto::Request> flood;
  for (std::uint64_t n = 1; n <= kMaxAnswers + 2; ++n) {
    flood.push_back(request(n));
    flood.back().name = flood.back().place = "/srv/same";
    flood.back().requested.seconds += static_cast<std::int64_t>(n);
  }
  for (const proto::Request& one : flood) at.push({one});
  (void)at.run();
  const std::string answers = at.answers();
  EXPECT_NE(answers.find(fmt::format(" {}:taken {}:refused {}:refused ", kMaxAnswers, kMaxAnswers + 1,
                                     kMaxAnswers + 2)),
            std::string::npos);
  EXPECT_EQ(at.pending(), 1U);
}

TEST(Ingest, LongBranchesBecomeCheckpointsAndNothingUnconfirmedIsLost) {
  const Installation at;
  at.push({request(1)});
  (void)at.run();
  at.push_empty(kVeryLongBranch + 1);
  const std::size_t before = git::Repository(at.path()).loose_objects();
  EXPECT_GT(before, 0U);
  (void)at.run();
  const git::Repository repository(at.path());
  const git::Oid tip = *repository.ref(kRequestsRef);
  EXPECT_TRUE(repository.commit(tip).parents.empty());
  EXPECT_TRUE(repository.tree(repository.commit(tip).tree).empty());
  EXPECT_EQ(read_cursor(at.path()), tip);
  EXPECT_EQ(at.answers(), "1:taken ") << "still unconfirmed";
  EXPECT_EQ(at.mark(), 1U);
  EXPECT_EQ(repository.loose_objects(), 0U);
  EXPECT_EQ(repository.packs(), 1U);
  at.push({request(2)});
  EXPECT_EQ(at.run().added, 1U);
}

TEST(Ingest, NothingIsCutWhileAReceiptWaitsOrSomebodyReads) {
  const Installation at;
  at.push({request(1)});
  (void)at.run();
  at.push_empty(kLongBranch + 1);
  (void)at.run();
  EXPECT_FALSE(
      git::Repository(at.path()).commit(*git::Repository(at.path()).ref(kRequestsRef)).parents.empty());
  {
    at.push({}, at.receipts_tip());
    const FileLock reading = FileLock::shared(at.path() + "/backline/in-use");
    (void)at.run();
    EXPECT_FALSE(
        git::Repository(at.path()).commit(*git::Repository(at.path()).ref(kRequestsRef)).parents.empty());
  }
  (void)at.run();
  EXPECT_TRUE(
      git::Repository(at.path()).commit(*git::Repository(at.path()).ref(kRequestsRef)).parents.empty());
}

TEST(Ingest, OneBrokenRepositoryHoldsUpNoOther) {
  const Installation at;
  at.push({request(1)});
  ensure_directory(at.home() + "/repositories/aaa.git");
  std::vector<std::string> problems;
  EXPECT_EQ(ingest_all(at.home(), test::FixedClock(), problems).added, 1U);
  EXPECT_EQ(problems.size(), 1U);
}

}  // namespace
}  // namespace bk::server
