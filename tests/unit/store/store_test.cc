#include "server/store/store.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "server/store/known_clients.h"
#include "server/store/tree.h"
#include "tests/unit/store/hooked_storage.h"
#include "tests/unit/store/store_fixture.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace bk::store {
namespace {

using namespace test;  // NOLINT: builders

TEST_F(StoreTest, WhatWasPutIsReadBackAndVerified) {
  auto store = open();
  auto writer = store->writer("web1", "wiki", "rsync", "/srv");
  const ChunkId a = writer->put(ObjectKind::Data, "hello");
  const ChunkId b = writer->put(ObjectKind::Tree, "hello");
  EXPECT_EQ(store->read(ObjectKind::Data, a), "hello");
  EXPECT_EQ(store->read(ObjectKind::Tree, b), "hello");
  writer->sync();
  writer.reset();
  EXPECT_EQ(open()->read(ObjectKind::Data, a), "hello");
  EXPECT_THROW((void)open()->read(ObjectKind::List, a), Error);
}

TEST_F(StoreTest, ScatteredChunksAreReadFromTheFrontOfTheirGroups) {
  std::vector<ChunkId> ids;
  const auto content = [](std::size_t i) {
    return std::string(20'000, static_cast<char>(i)) + std::to_string(i);
  };
  {
    auto store = open();
    auto writer = store->writer("web1", "wiki", "rsync", "/srv");
    for (std::size_t i = 0; i < 120; ++i) ids.push_back(writer->put(ObjectKind::Data, content(i)));
    writer->sync();
  }
  auto store = open();
  // Another time a group is needed further on, or at its end.
  for (const std::vector<std::size_t>& wanted :
       {std::vector<std::size_t>{70, 3, 5}, {0}, {119, 30}, {4, 40, 118}, {51, 51}}) {
    std::vector<ChunkId> some;
    for (const std::size_t i : wanted) some.push_back(ids[i]);
    std::size_t seen = 0;
    store->read_scattered(ObjectKind::Data, some, [&](std::size_t at, std::string_view bytes) {
      EXPECT_EQ(bytes, content(wanted[at]));
      ++seen;
    });
    EXPECT_EQ(seen, wanted.size());
  }
  for (std::size_t i = 0; i < ids.size(); ++i) EXPECT_EQ(store->read(ObjectKind::Data, ids[i]), content(i));
  const ChunkId none{};
  EXPECT_THROW(store->read_scattered(ObjectKind::Data, {&none, 1}, [](std::size_t, std::string_view) {}),
               Error);
}

TEST_F(StoreTest, ASnapshotIsFoundAgainWithItsTree) {
  auto store = open();
  auto writer = store->writer("web1", "wiki", "rsync", "/srv");
  const SnapshotRecord done = writer->commit(snapshot_of(*writer, {{"a", "alpha"}, {"b", "beta"}}));
  EXPECT_EQ(done.sequence, 1U);
  EXPECT_EQ(done.previous, "none");
  auto again = open();
  const auto newest = again->newest("web1", "wiki", "rsync", "/srv");
  ASSERT_TRUE(newest);
  EXPECT_EQ(newest->id, done.id);
  DirectoryReader reader(*again, newest->root.node);
  const auto entry = reader.find("b");
  ASSERT_TRUE(entry);
  EXPECT_EQ(content_of(*again, *entry), "beta");
  EXPECT_TRUE(problems(*again).empty());
}

TEST_F(StoreTest, AnUnchangedSecondRunAddsASnapshotAndNextToNothingElse) {
  auto store = open();
  std::map<std::string, std::string> files;
  for (int i = 0; i < 500; ++i) files["file" + std::to_string(i)] = noise(3000, i + 1);
  (void)commit(*store, "web1", files);
  const std::uint64_t before = bytes_in(home() + "/store/journal") + bytes_in(home() + "/store/packs");
  const SnapshotRecord second = commit(*store, "web1", files);
  EXPECT_EQ(second.sequence, 2U);
  EXPECT_LT(bytes_in(home() + "/store/journal") + bytes_in(home() + "/store/packs") - before, 300U);
}

TEST_F(StoreTest, FinishedPacksAreReadAndIndexedAnewFromWhereverTheyLie) {
  std::vector<ChunkId> ids;
  const auto content = [](std::size_t i) { return noise(1U << 20U, i + 1); };
  {
    auto store = open();
    auto writer = store->writer("web1", "wiki", "rsync", "/srv");
    for (std::size_t i = 0; i < 36; ++i) ids.push_back(writer->put(ObjectKind::Data, content(i)));
    writer->sync();
  }
  EXPECT_EQ(list_directory(home() + "/store/journal").size(), 1U);
  for (const bool lose_index : {false, true}) {
    if (lose_index) remove_tree(home() + "/index");
    auto store = open();
    EXPECT_TRUE(problems(*store).empty());
    for (std::size_t i = 0; i < ids.size(); ++i) EXPECT_EQ(store->read(ObjectKind::Data, ids[i]), content(i));
  }
}

TEST_F(StoreTest, EqualContentOfTwoClientsIsStoredOnceAndNeitherPossessesTheOthers) {
  auto store = open();
  std::map<std::string, std::string> files{{"a", noise(100000, 5)}};
  (void)commit(*store, "web1", files);
  auto writer = store->writer("web2", "wiki", "rsync", "/srv");
  const ChunkId id = chunk_id(ObjectKind::Data, files["a"]);
  const ChunkId ids[] = {id};
  EXPECT_TRUE(writer->contains(id));
  EXPECT_FALSE(writer->possession().has(ids)[0]);
  (void)writer->commit(snapshot_of(*writer, files, "web2"));
  EXPECT_EQ(writer->totals().new_content_bytes, 0U);  // the tree is the same one, too
  EXPECT_TRUE(writer->possession().has(ids)[0]);
}

TEST_F(StoreTest, ATreeNodesIdCannotBeClaimedAsAChunkOfData) {
  auto store = open();
  auto writer = store->writer("web1", "wiki", "rsync", "/srv");
  const ChunkId ids[] = {writer->put(ObjectKind::Tree, noise(1000, 6))};
  EXPECT_FALSE(writer->possession().has(ids)[0]);
  writer->sync();
  EXPECT_FALSE(writer->possession().has(ids)[0]);
}

CheckpointRecord checkpoint_of(Writer& writer, const std::map<std::string, std::string>& files) {
  const SnapshotRecord snapshot = snapshot_of(writer, files);
  return {snapshot.client, snapshot.module, snapshot.method,    snapshot.name,
          {1783000200, 0}, {1783000300, 0}, snapshot.root.node, false};
}

TEST_F(StoreTest, ACheckpointIsFoundUntilASnapshotOfItsSourceIsCommitted) {
  auto store = open();
  CheckpointRecord record;
  {
    auto writer = store->writer("web1", "wiki", "rsync", "/srv");
    record = checkpoint_of(*writer, {{"a", noise(20000, 1)}});
    writer->save_checkpoint(record);
  }
  store = open();
  EXPECT_EQ(store->checkpoint("web1", "wiki", "rsync", "/srv"), record);
  EXPECT_EQ(store->checkpoint("web1", "wiki", "rsync", "/other"), std::nullopt);
  EXPECT_TRUE(store->snapshots().empty());
  EXPECT_EQ(problems(*store), std::vector<std::string>{});
  DirectoryReader reader(*store, record.node);
  EXPECT_EQ(content_of(*store, *reader.next()), noise(20000, 1));
  (void)commit(*store, "web1", {{"a", "x"}});
  EXPECT_EQ(store->checkpoint("web1", "wiki", "rsync", "/srv"), std::nullopt);
}

TEST_F(StoreTest, WhatACheckpointNamesIsPossessedAlsoAfterTheIndexWasLost) {
  const std::string content = noise(20000, 1);
  const ChunkId id = chunk_id(ObjectKind::Data, content);
  {
    auto store = open();
    auto writer = store->writer("web1", "wiki", "rsync", "/srv");
    writer->save_checkpoint(checkpoint_of(*writer, {{"a", content}}));
  }
  remove_tree(home() + "/index");
  auto store = open();
  EXPECT_TRUE(store->writer("web1", "wiki", "rsync", "/srv")->possession().has({&id, 1}).at(0));
  EXPECT_FALSE(store->writer("web2", "wiki", "rsync", "/srv")->possession().has({&id, 1}).at(0));
}

TEST_F(StoreTest, ACheckpointThatIsOlderOrBrokenDoesNotCount) {
  auto store = open();
  auto writer = store->writer("web1", "wiki", "rsync", "/srv");
  CheckpointRecord record = checkpoint_of(*writer, {{"a", "x"}});
  record.began = commit(*store, "web1", {{"a", "x"}}).began;
  writer->save_checkpoint(record);
  EXPECT_EQ(store->checkpoint("web1", "wiki", "rsync", "/srv"), std::nullopt);
  for (const std::string& path : files_in(home() + "/store/snapshots/web1")) {
    if (path.ends_with(".checkpoint")) replace_durably(path, "rotten");
  }
  EXPECT_EQ(store->checkpoint("web1", "wiki", "rsync", "/srv"), std::nullopt);
  EXPECT_EQ(problems(*store).size(), 1U);
}

// Whoever chooses what is pulled next asks this of every client.
TEST_F(StoreTest, AClientWhoseJournalCannotBeReadIsTakenForANewOne) {
  const auto store = Store::open(home() + "/store", true);
  EXPECT_FALSE(has_snapshots(home() + "/store", "web1"));
  (void)commit(*store, "web1", {{"a", "1"}});
  EXPECT_TRUE(has_snapshots(home() + "/store", "web1"));
  const std::string journal = home() + "/store/snapshots/web1/journal";
  ASSERT_EQ(::unlink(journal.c_str()), 0);
  ASSERT_EQ(::symlink(journal.c_str(), journal.c_str()), 0);  // ELOOP
  EXPECT_FALSE(has_snapshots(home() + "/store", "web1"));

  const auto again = Store::open(home() + "/store", true);  // nor does it close the store to all others
  (void)commit(*again, "web2", {{"b", "2"}});
  EXPECT_EQ(again->snapshots("web2").size(), 1U);
  EXPECT_THROW((void)again->newest("web1", "wiki", "rsync", "/srv"), Error);
}

// First pulls into a new store: one finds no header, and by the time it looks around, another one has made
// the store and written into it.
TEST_F(StoreTest, WhoFindsThatAnotherMadeItJustNowUsesThatOne) {
  const auto memory = std::make_shared<MemoryStorage>();
  const auto hooked = std::make_shared<HookedStorage>(memory);
  const std::string folder = home() + "/new";
  std::unique_ptr<Store> first;
  hooked->before_list = [&] {
    if (first) return;
    first = Store::open_on(memory, folder, true);
    (void)commit(*first, "web1", {{"a", noise(50000, 1)}});
  };
  const auto second = Store::open_on(hooked, folder, true);
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(second->snapshots().size(), 1U);
  EXPECT_TRUE(problems(*second).empty());
}

TEST_F(StoreTest, AHeaderThatIsMissingWhereDataLiesIsNotMadeAnew) {
  const auto memory = std::make_shared<MemoryStorage>();
  const std::string folder = home() + "/old";
  (void)commit(*Store::open_on(memory, folder, true), "web1", {{"a", noise(50000, 1)}});
  memory->remove("header");
  try {
    (void)Store::open_on(memory, folder, true);
    FAIL() << "a second identity";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Corrupt);
    EXPECT_NE(std::string(error.what()).find("no header but holds data"), std::string::npos);
  }
}

}  // namespace
}  // namespace bk::store
