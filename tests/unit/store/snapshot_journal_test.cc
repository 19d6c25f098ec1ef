#include "server/store/snapshot_journal.h"

#include "common/digest/sha256.h"
#include "tests/unit/store/store_fixture.h"

namespace bk::store {
namespace {

using namespace test;  // NOLINT: builders

constexpr std::size_t kLineBytes = 193;
constexpr std::size_t kFirstLineBytes = 13;

// Flips a bit of the client's journal.
void flip(const std::string& path, std::size_t at) {
  std::string text = read_file(path);
  text.at(at) = static_cast<char>(text.at(at) ^ 1);
  replace_durably(path, text);
}

class SnapshotJournalTest : public StoreTest {
 protected:
  [[nodiscard]] SnapshotJournal journal() const { return {path(), Sha256::of("first").hex()}; }
  [[nodiscard]] std::string path() const { return home() + "/journal"; }
  [[nodiscard]] std::string folder() const { return home() + "/store/snapshots/web1"; }
  void append(int count) const {
    for (int i = 0; i < count; ++i) {
      const std::string hash = Sha256::of(std::to_string(i)).hex();
      journal().append(journal().end(), i % 7 == 3 ? "removal" : "snapshot", hash, hash.substr(0, 32));
    }
  }
};

TEST_F(SnapshotJournalTest, BackwardsIsTheSameChainFromItsOtherEnd) {
  for (const int count : {0, 1, 16, 17, 4112, 4113, 5000}) {
    remove_durably(path());
    append(count);
    const std::vector<JournalLine> all = journal().lines();
    ASSERT_EQ(all.size(), static_cast<std::size_t>(count));
    auto expected = all.rbegin();
    journal().backwards([&](const JournalLine& line) {
      EXPECT_EQ(line.number, expected->number);
      EXPECT_EQ(line.kind, expected->kind);
      EXPECT_EQ(line.hash, expected->hash);
      return ++expected != all.rend();
    });
    EXPECT_TRUE(expected == all.rend());
    EXPECT_EQ(journal().end().count, static_cast<std::uint64_t>(count));
  }
}

TEST_F(SnapshotJournalTest, ATornLineAtTheEndIsNeitherReadNorInTheWayOfTheNext) {
  append(3);
  const std::string whole = read_file(path());
  for (const std::size_t torn : {std::size_t{1}, std::size_t{100}, kLineBytes - 1}) {
    replace_durably(path(), whole + std::string(torn, 'x'));
    EXPECT_EQ(journal().end().count, 3U);
    EXPECT_EQ(journal().lines().size(), 3U);
    journal().cut_torn_end();
    EXPECT_EQ(read_file(path()), whole);
  }
}

TEST_F(SnapshotJournalTest, DamageIsCorruptWhereItIsReadAndOnlyThere) {
  append(40);
  flip(path(), kFirstLineBytes + 4 * kLineBytes + 50);
  EXPECT_THROW((void)journal().lines(), Error);
  EXPECT_EQ(journal().end().count, 40U);
  flip(path(), kFirstLineBytes + 39 * kLineBytes + 50);
  EXPECT_THROW((void)journal().end(), Error);
}

TEST_F(SnapshotJournalTest, ACommitBehindADamagedNewestRecordGoesOnCounting) {
  auto store = open();
  for (int i = 0; i < 3; ++i) (void)commit(*store, "web1", {{"a", std::to_string(i)}});
  flip(folder() + "/00000000000000000003.snapshot", 40);
  EXPECT_EQ(store->newest("web1", "wiki", "rsync", "/srv")->sequence, 2U);
  const SnapshotRecord next = commit(*store, "web1", {{"a", "3"}});
  EXPECT_EQ(next.sequence, 4U);
  EXPECT_EQ(store->newest("web1", "wiki", "rsync", "/srv")->id, next.id);
}

TEST_F(SnapshotJournalTest, ACommitReadsNothingOfTheOldHistoryAndVerifyAllOfIt) {
  auto store = open();
  for (int i = 0; i < 30; ++i) (void)commit(*store, "web1", {{"a", std::to_string(i)}});
  flip(folder() + "/journal", kFirstLineBytes + 50);
  EXPECT_EQ(commit(*store, "web1", {{"a", "new"}}).sequence, 31U);
  EXPECT_EQ(problems(*store).size(), 1U);
  EXPECT_THROW((void)store->snapshots("web1"), Error);
}

TEST_F(SnapshotJournalTest, ARemovedSnapshotIsNotTheNewestAndItsNumberIsNotUsedAgain) {
  auto store = open();
  const SnapshotRecord first = commit(*store, "web1", {{"a", "1"}});
  const SnapshotRecord second = commit(*store, "web1", {{"a", "2"}});
  const std::vector<std::string> removed{second.id};
  store->mark_snapshots("web1", {}, removed);
  EXPECT_EQ(store->newest("web1", "wiki", "rsync", "/srv")->id, first.id);
  EXPECT_EQ(store->snapshots("web1").size(), 1U);
  EXPECT_EQ(commit(*store, "web1", {{"a", "3"}}).sequence, 3U);
  EXPECT_TRUE(problems(*store).empty());
}

}  // namespace
}  // namespace bk::store
