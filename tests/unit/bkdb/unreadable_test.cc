// What the disk does not give back is told apart from what is damaged, and ends nothing.
#include "server/bkdb/verify.h"
#include "server/store/journal.h"
#include "server/store/store_impl.h"
#include "tests/unit/store/hooked_storage.h"
#include "tests/unit/store/store_fixture.h"

namespace bk::bkdb {
namespace {

using namespace store::test;  // NOLINT: builders

class UnreadableTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    const auto memory = std::make_shared<MemoryStorage>();
    hooked_ = std::make_shared<HookedStorage>(memory);
    store_ = store::Store::open_on(hooked_, home() + "/store", true);
    first_ = back_up({{"bad", noise(50000, 1)}, {"good", noise(500, 2)}});
    for (const ListedObject& object : memory->list("packs/", "", 10)) first_pack_.insert(object.name);
    second_ = back_up({{"good", noise(50000, 3)}});
  }
  // In a pack of its own.
  store::SnapshotRecord back_up(const std::map<std::string, std::string>& files) {
    store::SnapshotRecord out = commit(*store_, "web1", files);
    auto& impl = dynamic_cast<store::StoreImpl&>(*store_);
    for (const std::uint64_t number : store::list_packs(impl.layout().journals()))
      (void)store::Journal::seal(impl.layout(), {impl.id(), number},
                                 [&](std::uint64_t sealed) { return impl.index().retire(sealed); });
    return out;
  }
  struct Told {
    std::string id, path;
    bool unreadable;
    bool operator==(const Told&) const = default;
  };
  std::vector<Told> verify(bool content) {
    std::vector<Told> out;
    const auto again = store::Store::open_on(hooked_, home() + "/store");  // with nothing cached
    (void)verify_snapshots(
        *again, {&first_, &second_}, {content, nullptr},
        [&](const store::SnapshotRecord& snapshot, const std::string& path, const Reason& reason) {
          out.push_back({snapshot.id, path, reason.unreadable});
        });
    return out;
  }
  std::shared_ptr<HookedStorage> hooked_;
  std::unique_ptr<store::Store> store_;
  store::SnapshotRecord first_, second_;
  std::set<std::string> first_pack_;
};

TEST_F(UnreadableTest, ABadSectorNamesItsSnapshotsAndTheOthersAreReadToTheirEnd) {
  EXPECT_EQ(verify(true), std::vector<Told>{});
  hooked_->bad_sectors = first_pack_;
  EXPECT_EQ(verify(true), (std::vector<Told>{{first_.id, "", true}}));
  EXPECT_EQ(verify(false), (std::vector<Told>{{first_.id, "", true}}));
}

TEST_F(UnreadableTest, WhatWasRemovedAndCleanedAwayMeanwhileIsNoDamage) {
  store_->mark_snapshots("web1", {store::MarkKind::Removal, {1783000200, 0}, "root", ""},
                         std::vector{first_.id});
  EXPECT_GT(store_->clean({}).packs_removed, 0U);
  EXPECT_EQ(verify(true), std::vector<Told>{});
  EXPECT_EQ(verify(false), std::vector<Told>{});
}

TEST_F(UnreadableTest, ChunksBehindABadSectorNameTheirPaths) {
  // The folder stands elsewhere, too: a client made it anew.
  const store::SnapshotRecord whole = first_;
  first_ = back_up({{"bad", noise(50000, 1)}, {"good", noise(500, 2)}, {"more", noise(700, 4)}});
  hooked_->bad_sectors = first_pack_;
  EXPECT_EQ(verify(true), (std::vector<Told>{{first_.id, "bad", true}, {first_.id, "good", true}}));
}

TEST_F(UnreadableTest, AnArchiveBehindABadSectorIsNotCalledDamaged) {
  store::SnapshotRecord archive;
  const std::string content = noise(60000, 9);
  std::set<std::string> before;
  for (const ListedObject& object : hooked_->list("packs/", "", 10)) before.insert(object.name);
  {
    const auto writer = store_->writer("web1", "wiki", "sftp", "/archive");
    archive.client = "web1";
    archive.module = "wiki";
    archive.method = "sftp";
    archive.name = "/archive";
    archive.began = archive.ended = {1783000100, 0};
    archive.root = file_entry(*writer, "", content);
    archive.archive_sha256 = std::string(64, 'a');
    archive = writer->commit(archive);
  }
  (void)back_up({{"x", noise(100, 10)}});
  for (const ListedObject& object : hooked_->list("packs/", "", 10))
    if (!before.contains(object.name)) hooked_->bad_sectors.insert(object.name);
  first_ = archive;
  EXPECT_EQ(verify(true), (std::vector<Told>{{archive.id, "", true}}));
  hooked_->bad_sectors.clear();
  EXPECT_EQ(verify(true), (std::vector<Told>{{archive.id, "", false}}));
}

}  // namespace
}  // namespace bk::bkdb
