// A client's quota: what is counted, what is refused, what gives room back.
#include "common/io/file.h"
#include "server/store/usage_ledger.h"
#include "store_fixture.h"

#include <functional>

namespace bk::store::test {
namespace {

class QuotaTest : public StoreTest {
 protected:
  [[nodiscard]] std::uint64_t used(const std::string& client = "web1") const {
    return Store::usage(home() + "/store", client).value_or(UINT64_MAX);
  }
  [[nodiscard]] std::string ledger(const std::string& client = "web1") const {
    return home() + "/index/possession/" + client + "/usage";
  }
  // What the refusal says; empty when there was none.
  static std::string refusal(const std::function<void()>& body) {
    try {
      body();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::Refused);
      return error.what();
    }
    return {};
  }
  static SnapshotRecord backup(Store& store, std::uint64_t quota,
                               const std::map<std::string, std::string>& files,
                               const std::string& client = "web1") {
    auto writer = store.writer(client, "wiki", "rsync", "/srv");
    writer->set_quota(quota);
    return writer->commit(snapshot_of(*writer, files, client));
  }
};

constexpr std::uint64_t kMiB = 1U << 20U;

TEST_F(QuotaTest, WhatDoesNotFitIsRefusedAndNothingOfItIsCommitted) {
  const auto store = open();
  const SnapshotRecord first = backup(*store, 4 * kMiB, {{"a", noise(2 * kMiB, 1)}});
  const std::string said = refusal([&] {
    backup(*store, 4 * kMiB, {{"a", noise(2 * kMiB, 1)}, {"b", noise(3 * kMiB, 2)}});
  });
  EXPECT_NE(said.find("quota 4 MiB of client \"web1\", used 2.0 MiB before, this backup needs at least 3"),
            std::string::npos)
      << said;
  ASSERT_EQ(store->snapshots("web1").size(), 1U);
  EXPECT_EQ(store->snapshots("web1")[0].id, first.id);
  EXPECT_TRUE(problems(*store).empty());
}

TEST_F(QuotaTest, AttemptAfterAttemptWithOtherContentDoesNotGrowTheStoreBeyondIt) {
  const auto store = open();
  std::uint64_t refused = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    auto writer = store->writer("web1", "wiki", "rsync", "/srv");
    writer->set_quota(4 * kMiB);
    if (!refusal([&] {
           for (std::uint64_t i = 0; i < 8; ++i) writer->put(ObjectKind::Data, noise(kMiB, seed * 100 + i));
         }).empty())
      ++refused;
  }
  EXPECT_EQ(refused, 40U);
  EXPECT_LE(used(), 4 * kMiB);
  EXPECT_LE(bytes_in(home() + "/store"), 5 * kMiB);
}

TEST_F(QuotaTest, OneThatChangedNothingSucceedsAlsoWhenNothingIsLeft) {
  const auto store = open();
  backup(*store, 100 * kMiB, {{"a", noise(2 * kMiB, 1)}});
  EXPECT_EQ(refusal([&] { backup(*store, kMiB, {{"a", noise(2 * kMiB, 1)}}); }), "");
  EXPECT_NE(refusal([&] { backup(*store, kMiB, {{"a", noise(2 * kMiB, 3)}}); }), "");
}

TEST_F(QuotaTest, RemovingAndCleaningMakesRoom) {
  const auto store = open();
  const SnapshotRecord old = backup(*store, 4 * kMiB, {{"a", noise(3 * kMiB, 1)}});
  const SnapshotRecord small = backup(*store, 4 * kMiB, {{"a", noise(kMiB / 2, 5)}});
  const std::map<std::string, std::string> next{{"b", noise(2 * kMiB, 2)}};
  EXPECT_NE(refusal([&] { backup(*store, 4 * kMiB, next); }), "");
  store->mark_snapshots("web1", {MarkKind::Removal, {1783000200, 0}, "root", ""},
                        std::vector<std::string>{old.id});
  EXPECT_NE(refusal([&] { backup(*store, 4 * kMiB, next); }), "") << "removed, but not cleaned";
  store->clean({});
  EXPECT_LT(used(), kMiB);
  EXPECT_EQ(refusal([&] { backup(*store, 4 * kMiB, next); }), "");
  EXPECT_TRUE(problems(*store).empty());
}

TEST_F(QuotaTest, WhatARefusedBackupStoredIsGivenBackByClean) {
  const auto store = open();
  backup(*store, 4 * kMiB, {{"a", noise(kMiB, 1)}});
  (void)refusal([&] {
    auto writer = store->writer("web1", "wiki", "rsync", "/srv");
    writer->set_quota(4 * kMiB);
    for (std::uint64_t i = 0; i < 8; ++i) writer->put(ObjectKind::Data, noise(kMiB / 2, 50 + i));
  });
  EXPECT_GT(used(), 3 * kMiB);
  store->clean({});
  EXPECT_LT(used(), kMiB + 100000);
}

// However much it was: nobody removed anything, and yet nobody has to confirm it.
TEST_F(QuotaTest, WhatARefusedBackupGaveUpNeedsNoWordFromAnAdministrator) {
  const auto store = open();
  backup(*store, 4 * kMiB, {{"a", noise(kMiB, 1)}});
  const auto store_much = [&] {
    auto writer = store->writer("web1", "wiki", "rsync", "/srv");
    writer->set_quota(4 * kMiB);
    for (int i = 0; i < 12000; ++i) writer->put(ObjectKind::Data, "chunk " + std::to_string(i));
    return writer;
  };
  (void)store_much();
  EXPECT_NE(refusal([&] { store->clean({}); }).find("say --expect"), std::string::npos)
      << "of an attempt that nobody gave up";
  store_much()->forget_checkpoint();
  EXPECT_EQ(refusal([&] { EXPECT_GE(store->clean({}).unneeded, 12000U); }), "");
  (void)store_much();
  CleanOptions everything;
  everything.all = true;
  EXPECT_NE(refusal([&] { store->clean(everything); }), "") << "once for each";
  EXPECT_TRUE(problems(*store).empty());
}

TEST_F(QuotaTest, WhatOthersStoreMakesNoDifference) {
  const auto store = open();
  const std::map<std::string, std::string> files{{"a", noise(2 * kMiB, 1)}};
  commit(*store, "other", files);
  backup(*store, 8 * kMiB, files);
  const std::uint64_t shared = used();
  backup(*store, 8 * kMiB, {{"a", noise(2 * kMiB, 77)}}, "alone");
  EXPECT_EQ(shared, used("alone"));
  EXPECT_FALSE(Store::usage(home() + "/store", "other")) << "without a quota nothing is counted";
}

TEST_F(QuotaTest, ALedgerThatIsLostOrDamagedIsCountedAgain) {
  const auto store = open();
  backup(*store, 8 * kMiB, {{"a", noise(2 * kMiB, 1)}});
  const std::uint64_t before = used();
  replace_durably(ledger(), "nonsense");
  EXPECT_EQ(used(), UINT64_MAX);
  backup(*store, 8 * kMiB, {{"a", noise(2 * kMiB, 1)}});
  EXPECT_EQ(used(), before);
  store->rebuild_index([](std::uint64_t, std::uint64_t) {}, true);
  backup(*store, 8 * kMiB, {{"a", noise(2 * kMiB, 1)}});
  EXPECT_EQ(used(), before);
}

TEST_F(QuotaTest, AQuotaForAClientThatHasSnapshotsAlreadyCountsThem) {
  const auto store = open();
  commit(*store, "web1", {{"a", noise(2 * kMiB, 1)}, {"b", noise(2 * kMiB, 1)}, {"c", noise(kMiB, 4)}});
  auto writer = store->writer("web1", "wiki", "rsync", "/other");
  writer->set_quota(16 * kMiB);
  EXPECT_GE(writer->quota().used, 3 * kMiB);
  EXPECT_LT(writer->quota().used, 3 * kMiB + 100000) << "each chunk counts once";
}

TEST_F(QuotaTest, TwoWritersOfOneClientShareIt) {
  const auto store = open();
  const auto other = open();
  auto one = store->writer("web1", "wiki", "rsync", "/one");
  auto two = other->writer("web1", "wiki", "rsync", "/two");
  one->set_quota(4 * kMiB);
  two->set_quota(4 * kMiB);
  EXPECT_NE(refusal([&] {
              for (std::uint64_t i = 0; i < 3; ++i) {
                one->put(ObjectKind::Data, noise(kMiB, 10 + i));
                two->put(ObjectKind::Data, noise(kMiB, 20 + i));
              }
            }),
            "");
}

TEST_F(QuotaTest, ACleanAmidABackupForgetsNothingThatItHasPut) {
  const auto store = open();
  const auto other = open();
  auto writer = store->writer("web1", "wiki", "rsync", "/srv");
  writer->set_quota(8 * kMiB);
  for (std::uint64_t i = 0; i < 3; ++i) writer->put(ObjectKind::Data, noise(kMiB, 10 + i));
  writer->sync();
  other->clean({});
  writer->put(ObjectKind::Data, noise(kMiB, 20));
  writer->sync();
  EXPECT_EQ(used(), 4 * kMiB);
}

TEST(UsageLedger, ReadsOnlyWhatIsWhole) {
  EXPECT_FALSE(UsageLedger::parse(""));
  EXPECT_FALSE(UsageLedger::parse(std::string(48, '\0')));
  EXPECT_FALSE(UsageLedger::parse("BKusage1" + std::string(40, 'x')));
}

}  // namespace
}  // namespace bk::store::test
