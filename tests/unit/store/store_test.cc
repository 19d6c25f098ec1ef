#include "server/store/store.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "server/store/tree.h"
#include "tests/unit/store/store_fixture.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace bk::store
