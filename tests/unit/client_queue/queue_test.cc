#include "client/queue/queue.h"

#include "client/queue/ledger.h"
#include "common/digest/sha256.h"
#include "common/error/error.h"
#include "common/io/file.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace bk::client {
namespace {

class FakeClock final : public Clock {
 public:
  [[nodiscard]] Timestamp now() const override { return time; }
  Timestamp time{1800000000, 5};
};

class QueueTest : public ::testing::Test {
 protected:
  QueueTest() {
    char name[] = "/tmp/bk-queue-XXXXXX";
    home = ::mkdtemp(name);
    queue.emplace(home, "main", "web1", clock, random);
  }
  ~QueueTest() override { remove_tree(home); }

  std::string add(const std::string& name) { return queue->add({{"directories", name}}).front().id; }
  std::vector<std::string> names() {
    std::vector<std::string> out;
    for (const std::string& name : list_directory(queue->directory())) {
      if (!name.starts_with('.')) out.push_back(name.substr(0, name.find(':')));
    }
    return out;
  }
  Queued begin() {
    std::optional<Queued> item = queue->begin(queue->list("C").entries.at(0).item);
    EXPECT_TRUE(item);
    return *item;
  }
  Queued prepared() {
    Queued item = begin();
    adopt(item, {"rsync", item.request.name, clock.now(), std::nullopt, "", 0, {}});
    queue->save(item);
    return item;
  }
  proto::Receipt receipt(const std::string& id, proto::Outcome outcome) {
    proto::Receipt r;
    r.id = id;
    r.outcome = outcome;
    r.time = clock.now();
    return r;
  }

  std::string home;
  FakeClock clock;
  SystemRandom random;
  std::optional<Queue> queue;
};

using Names = std::vector<std::string>;

TEST_F(QueueTest, ARequestIsWrittenAndCommitted) {
  const std::string id = add("/srv/a");
  EXPECT_EQ(names(), Names{"Cdirectories"});
  const Queue::Entry entry = queue->find(id).value();
  EXPECT_EQ(entry.state, 'C');
  EXPECT_EQ(entry.item.request.name, "/srv/a");
  EXPECT_EQ(parse_queued(write_queued(entry.item)), entry.item);
}

TEST_F(QueueTest, AnEqualWaitingRequestIsMergedAndAProceedingOneIsNot) {
  const std::string first = add("/srv/a");
  const Queue::Added again = queue->add({{"directories", "/srv/a"}}).front();
  EXPECT_TRUE(again.merged);
  EXPECT_EQ(again.id, first);
  (void)begin();
  EXPECT_FALSE(queue->add({{"directories", "/srv/a"}}).front().merged);
  EXPECT_EQ(names(), (Names{"Cdirectories", "Pdirectories"}));
}

TEST_F(QueueTest, EqualRequestsInOneCallAreOne) {
  const auto added = queue->add({{"git", "/a"}, {"git", "/a"}, {"directories", "/a"}});
  EXPECT_EQ(added[0].id, added[1].id);
  EXPECT_TRUE(added[1].merged);
  EXPECT_NE(added[0].id, added[2].id);
  EXPECT_EQ(names().size(), 2U);
}

TEST_F(QueueTest, AWaitingRequestStaysWhileOneOfItsNameIsInProgress) {
  add("/srv/a");
  (void)begin();
  add("/srv/a");
  EXPECT_FALSE(queue->begin(queue->list("C").entries.at(0).item));
  EXPECT_EQ(names(), (Names{"Cdirectories", "Pdirectories"}));
}

TEST_F(QueueTest, EveryPossibleNameMakesAFileName) {
  for (const std::string& name : {std::string("/new\nline $(touch x) \"quoted\""),
                                  "/" + std::string(250, 'x') + "/" + std::string(250, 'y'),
                                  std::string("/\xff\xfe"), std::string("/")}) {
    const std::string id = add(name);
    EXPECT_EQ(queue->find(id).value().item.request.name, name);
  }
}

TEST_F(QueueTest, AFailedAttemptGoesBackWithAttemptReasonAndTime) {
  add("/srv/a");
  Queued item = begin();
  EXPECT_TRUE(note_failure(item, "no such folder", 74, clock.now()));
  queue->give_back(item);
  EXPECT_EQ(names(), Names{"Cdirectories"});
  const Queued back = queue->list().entries.at(0).item;
  EXPECT_EQ(back.attempts, 1U);
  EXPECT_EQ(back.reason, "no such folder");
  EXPECT_EQ(back.not_before, clock.now().plus(std::chrono::minutes(1)));
}

TEST_F(QueueTest, AttemptsAreSpacedAndEndInFailure) {
  add("/srv/a");
  Queued item = begin();
  const int minutes[] = {1, 5, 15, 60};
  for (const int wait : minutes) {
    EXPECT_TRUE(note_failure(item, "x", 74, clock.now()));
    EXPECT_EQ(item.not_before, clock.now().plus(std::chrono::minutes(wait)));
  }
  EXPECT_FALSE(note_failure(item, "x", 74, clock.now()));
  EXPECT_EQ(item.outcome->outcome, proto::Outcome::Failed);
  queue->finish(item);
  EXPECT_EQ(names(), Names{"Fdirectories"});
}

TEST_F(QueueTest, AFailedAttemptJoinsANewerEqualRequest) {
  const std::string old_id = add("/srv/a");
  Queued item = begin();
  const std::string new_id = add("/srv/a");
  (void)note_failure(item, "x", 74, clock.now());
  queue->give_back(item);
  EXPECT_EQ(names(), Names{"Cdirectories"});
  EXPECT_EQ(queue->find(new_id).value().item.request.id, old_id);
  EXPECT_EQ(queue->find(old_id).value().item.attempts, 1U);
}

TEST_F(QueueTest, OnlyWaitingRequestsAreCancelled) {
  const std::string id = add("/srv/a");
  EXPECT_EQ(queue->cancel("directories", "/srv/a"), Queue::Cancelled::Done);
  EXPECT_EQ(queue->find(id).value().item.outcome->reason, "cancelled by the user");
  EXPECT_EQ(queue->cancel("directories", "/srv/a"), Queue::Cancelled::Unknown);
  add("/srv/a");
  (void)begin();
  EXPECT_EQ(queue->cancel("directories", "/srv/a"), Queue::Cancelled::NotWaiting);
}

TEST_F(QueueTest, TheLockHasOneHolder) {
  const std::optional<FileLock> mine = queue->try_lock();
  EXPECT_TRUE(mine);
  EXPECT_FALSE(queue->try_lock());
}

TEST_F(QueueTest, StaleFilesOfDeadProcessesAreRemovedAndOthersStay) {
  const std::string id = add("/srv/a");
  replace_durably(queue->directory() + "/i" + proto::request_stem("git", "/b"), "half");
  replace_durably(queue->directory() + "/P" + proto::request_stem("git", "/b") + ".tmp", "half");
  leave_ready(home, "main", "token", {"git", "/b", clock.now(), std::nullopt, "", 0, {}});
  EXPECT_TRUE(queue->recover(std::chrono::hours(1)).empty());
  EXPECT_EQ(names(), Names{"Cdirectories"});
  EXPECT_FALSE(queue->find_ready("token"));
  EXPECT_TRUE(queue->find(id));
}

TEST_F(QueueTest, ARequestOfAModuleWhoseNameLooksLikeALeftoverStays) {
  (void)queue->add({{"site.tmp", "/srv/a"}});
  replace_durably(queue->directory() + "/P" + proto::request_stem("site.tmp", "/b") + ".tmp", "half");
  replace_durably(queue->directory() + "/.tmp-0123456789abcdef", "half");
  EXPECT_TRUE(queue->recover(std::chrono::hours(1)).empty());
  EXPECT_EQ(names(), Names{"Csite.tmp"});
  EXPECT_FALSE(path_exists(queue->directory() + "/.tmp-0123456789abcdef"));
}

TEST_F(QueueTest, MovesThatWereCutShortAreFinished) {
  add("/srv/a");
  Queued item = begin();
  (void)note_failure(item, "x", 74, clock.now());
  queue->save(item);  // P says Waiting: killed before the rename back
  EXPECT_TRUE(queue->recover(std::chrono::hours(1)).empty());
  EXPECT_EQ(names(), Names{"Cdirectories"});
  item = begin();
  note_outcome(item, receipt(item.request.id, proto::Outcome::Ok));
  queue->save(item);  // P says Done: killed before F
  EXPECT_TRUE(queue->recover(std::chrono::hours(1)).empty());
  EXPECT_EQ(names(), Names{"Fdirectories"});
}

TEST_F(QueueTest, FinishedRequestsAreForgottenAfterSomeDays) {
  add("/srv/a");
  Queued item = begin();
  note_outcome(item, receipt(item.request.id, proto::Outcome::Ok));
  queue->finish(item);
  (void)queue->recover(std::chrono::hours(1));
  EXPECT_EQ(names().size(), 1U);
  clock.time.seconds += 3601;
  (void)queue->recover(std::chrono::hours(1));
  EXPECT_TRUE(names().empty());
}

TEST_F(QueueTest, ADamagedFileIsSetAsideAndSaidSo) {
  add("/srv/a");
  const std::string file = queue->directory() + "/C" + proto::request_stem("directories", "/srv/a");
  std::string text = read_file(file);
  text[text.size() / 2] ^= 1;
  replace_durably(file, text);
  EXPECT_EQ(queue->list().damaged.size(), 1U);
  EXPECT_THROW((void)add("/srv/a"), Error);
  EXPECT_EQ(queue->recover(std::chrono::hours(1)).size(), 1U);
  EXPECT_FALSE(queue->add({{"directories", "/srv/a"}}).front().merged);
}

TEST_F(QueueTest, AnArchivesSizeAndDigestGoTogether) {
  (void)add("/srv/a");
  Queued item = prepared();
  item.request.archive_bytes = 7;
  item.request.archive_sha256 = std::string(64, 'a');
  EXPECT_EQ(parse_queued(write_queued(item)), item);
  for (const std::string_view key : {"archive-bytes: ", "archive-sha256: "}) {
    const std::string text = write_queued(item);
    const std::size_t line = text.find(key);
    std::string cut = text.substr(0, line) + text.substr(text.find('\n', line) + 1);
    cut.erase(cut.rfind("end: "));
    cut += "end: sha256 " + Sha256::of(cut).hex() + "\n";
    EXPECT_THROW((void)parse_queued(cut), Error) << key;
  }
}

TEST_F(QueueTest, CountersGoOnFromTheServersMark) {
  EXPECT_EQ(queue->take_counters(0, 1), 1U);
  EXPECT_EQ(queue->take_counters(0, 3), 2U);
  EXPECT_EQ(queue->take_counters(40, 2), 41U);
  remove_durably(queue->directory() + "/.counter");
  EXPECT_EQ(queue->take_counters(40, 1), 41U);
}

TEST_F(QueueTest, OnlyAReceiptEndsRePushing) {
  add("/srv/a");
  const Queued item = prepared();
  const Log log;
  QueueLedger ledger(*queue, log);
  ASSERT_EQ(ledger.unacknowledged(7).size(), 1U);
  EXPECT_EQ(ledger.unacknowledged(9).front().counter, 8U);
  ledger.apply({receipt(item.request.id, proto::Outcome::Taken)}, 8);
  EXPECT_TRUE(ledger.unacknowledged(8).empty());
  EXPECT_EQ(names(), Names{"Pdirectories"});
  ledger.apply({receipt(item.request.id, proto::Outcome::Ok)}, 8);
  EXPECT_EQ(names(), Names{"Fdirectories"});
  EXPECT_EQ(ledger.take_finished().size(), 1U);
}

TEST_F(QueueTest, ATakenRequestIsPushedAgainWhenTheServerWentBackToBeforeIt) {
  add("/srv/a");
  const Queued item = prepared();
  const Log log;
  QueueLedger ledger(*queue, log);
  ASSERT_EQ(ledger.unacknowledged(7).front().counter, 8U);
  ledger.apply({receipt(item.request.id, proto::Outcome::Taken)}, 8);
  EXPECT_TRUE(ledger.unacknowledged(9).empty());
  ASSERT_EQ(ledger.unacknowledged(7).size(), 1U) << "a server put back to an older copy does not know it";
  EXPECT_EQ(ledger.unacknowledged(8).front().id, item.request.id) << "until it is taken again";
  ledger.apply({receipt(item.request.id, proto::Outcome::Taken)}, 8);
  EXPECT_TRUE(ledger.unacknowledged(8).empty());
}

TEST_F(QueueTest, ReceiptsOfUnknownRequestsAreHarmlessAndOldHomesLearnTheirOutcome) {
  const std::string id = add("/srv/a");
  const Log log;
  QueueLedger ledger(*queue, log);
  ledger.apply({receipt(random.new_id(), proto::Outcome::Ok), receipt(id, proto::Outcome::Refused)}, 1);
  EXPECT_EQ(names(), Names{"Fdirectories"});
}

TEST_F(QueueTest, APartialSourceIsNeverASuccess) {
  add("/srv/a");
  Queued item = prepared();
  item.request.skipped_count = 2;
  item.request.skipped = {"unreadable /srv/a/x"};
  note_outcome(item, receipt(item.request.id, proto::Outcome::Ok));
  EXPECT_EQ(item.outcome->outcome, proto::Outcome::Partial);
  EXPECT_EQ(item.outcome->status, kExitPartial);
  EXPECT_EQ(item.outcome->skipped, item.request.skipped);
}

TEST_F(QueueTest, ArchivesStayWhileAnyQueueNeedsThem) {
  const std::string name(64, 'a');
  const std::string other(64, 'b');
  { const FileLock lock = hold_archives(home); }
  replace_durably(home + "/tmp/" + name, "data");
  replace_durably(home + "/tmp/" + other, "data");
  add("/srv/a");
  Queued item = begin();
  adopt(item, {"sftp", home + "/tmp/" + name, clock.now(), 4, std::string(64, 'a'), 0, {}});
  queue->save(item);
  {
    const FileLock lock = hold_archives(home);
    clean_archives(home);
    EXPECT_TRUE(path_exists(home + "/tmp/" + other));
  }
  clean_archives(home);
  EXPECT_FALSE(path_exists(home + "/tmp/" + other));
  EXPECT_TRUE(path_exists(home + "/tmp/" + name));
  note_outcome(item, receipt(item.request.id, proto::Outcome::Ok));
  queue->finish(item);
  clean_archives(home);
  EXPECT_FALSE(path_exists(home + "/tmp/" + name));
}

// The n-th block of docs/formats/queue.md.
std::string example(int n) {
  const std::string page = read_file(std::string(BK_SOURCE_DIR) + "/docs/formats/queue.md");
  std::size_t at = 0;
  for (; n >= 0; --n) at = page.find("```\nbk-", at) + 4;
  return page.substr(at, page.find("```", at) - at);
}

TEST(QueuePage, ItsExamplesAreWhatIsReadAndWritten) {
  const Queued item = parse_queued(example(0));
  EXPECT_EQ(item.request.name, "/srv/caf\xc3\xa9");
  EXPECT_EQ(item.request.skipped, std::vector<std::string>{"unreadable images/x%20y.png"});
  EXPECT_EQ(write_queued(item), example(0));
  EXPECT_EQ(write_ready(parse_ready(example(1))), example(1));
}

TEST_F(QueueTest, TenThousandRequestsAreQueuedQuickly) {
  std::vector<Queue::Wanted> wanted;
  for (int i = 0; i < 10000; ++i) wanted.push_back({"directories", "/srv/" + std::to_string(i)});
  EXPECT_EQ(queue->add(wanted).size(), 10000U);
  EXPECT_EQ(queue->list("C").entries.size(), 10000U);
}

}  // namespace
}  // namespace bk::client
