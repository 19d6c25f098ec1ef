// What was renamed or moved since the previous snapshot, what has several names, and directories with very
// many subdirectories.
#include "common/error/error.h"
#include "common/io/file.h"
#include "server/pull/tree/child_list.h"
#include "server/pull/tree/link_table.h"
#include "tests/support/content.h"
#include "tests/support/pull_world.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace bk::test {
namespace {

// A tree of directories two levels deep, `files` files in each of the lower ones.
void make_tree(const std::string& top, int directories, int files) {
  for (int d = 0; d < directories; ++d) {
    const std::string directory = top + "/s" + std::to_string(d % 5) + "/d" + std::to_string(d);
    std::filesystem::create_directories(directory);
    for (int f = 0; f < files; ++f)
      put(directory + "/f" + std::to_string(f),
          directory + std::string(600 + static_cast<std::size_t>(f), 'x'));
  }
}

class MovedTree : public ::testing::Test {
 protected:
  [[nodiscard]] std::string at(const std::string& path) const { return world_.source() + "/" + path; }
  void move(const std::string& from, const std::string& to) const {
    ASSERT_EQ(::rename(at(from).c_str(), at(to).c_str()), 0) << from;
  }
  void SetUp() override {
    make_tree(at("big"), 60, 30);
    make_tree(at("other"), 10, 3);
    (void)world_.pull();
  }
  PullWorld world_;
};

TEST_F(MovedTree, ARenamedDirectoryCostsALeaveForEachOfItsDirectories) {
  move("big", "renamed");
  const auto report = world_.pull();
  EXPECT_EQ(report.read_files, 0U);
  EXPECT_EQ(report.wanted_directories, 1U);  // the one that holds it
  EXPECT_LT(report.received_bytes, 100 * report.directories);
  EXPECT_EQ(world_.differences(), "");
  EXPECT_EQ(world_.pull().wanted_directories, 0U);
}

TEST_F(MovedTree, WhatChangedInARenamedDirectoryIsReadAndNothingElse) {
  move("big", "other/renamed");
  put(at("other/renamed/s1/d1/f7"), "changed");
  put(at("other/renamed/s2/new"), "new");
  ASSERT_EQ(::unlink(at("other/renamed/s3/d3/f3").c_str()), 0);
  const auto report = world_.pull();
  EXPECT_EQ(report.read_files, 2U);
  EXPECT_EQ(report.wanted_directories, 5U);
  EXPECT_EQ(world_.differences(), "");
}

TEST_F(MovedTree, ExchangedDirectoriesAreFoundAgain) {
  move("big/s1", "away");
  move("big/s2", "big/s1");
  move("away", "big/s2");
  const auto report = world_.pull();
  EXPECT_EQ(report.read_files, 0U);
  EXPECT_EQ(report.wanted_directories, 0U);  // by name all is as it was
  EXPECT_EQ(world_.differences(), "");
}

TEST_F(MovedTree, SubdirectoriesExchangedBelowARenamedDirectoryAreNotTakenForOneAnother) {
  move("other/s1/d1", "away");
  move("big/s1/d1", "other/s1/d1");
  move("away", "big/s1/d1");
  move("big", "renamed");
  const auto report = world_.pull();
  EXPECT_EQ(report.read_files, 0U);
  EXPECT_EQ(world_.differences(), "");
}

TEST_F(MovedTree, ADirectoryOfAnotherInodeIsComparedWithTheOneOfItsPath) {
  move("other", "old");
  ensure_directory(at("other"));
  move("old/s1", "other/s1");
  const auto report = world_.pull();
  EXPECT_EQ(report.read_files, 0U);
  EXPECT_EQ(world_.differences(), "");
}

TEST(LinkTableTest, RemembersEveryFile) {
  PullWorld world;
  pull::LinkTable table(world.file("."));
  Entry entry;
  entry.name = "a";
  entry.size = 5;
  entry.links = 2;
  for (entry.inode = 0; entry.inode < 100'000; ++entry.inode) {
    entry.content = {{Extent::Kind::Inline, 5, {}, std::to_string(10'000 + entry.inode % 90'000)}};
    table.remember(entry);
  }
  Entry other;
  other.size = 5;
  for (other.inode = 0; other.inode < 100'000; other.inode += 77) {
    ASSERT_TRUE(table.fill(other));
    EXPECT_EQ(other.content.at(0).inline_data, std::to_string(10'000 + other.inode % 90'000));
  }
  other.inode = 77;
  other.ctime.seconds = 1;
  EXPECT_FALSE(table.fill(other));
}

TEST(ChildListTest, GivesBackInOrderWhatWasAddedHoweverMany) {
  PullWorld world;
  pull::ChildSpool spool(world.file("."));
  std::vector<pull::ChildList> lists(3);
  const auto entry_of = [](std::size_t list, int i) {
    Entry entry;
    entry.name = std::to_string(1'000'000 + i);
    entry.type = EntryType::Directory;
    entry.inode = list;
    entry.mtime.seconds = i;
    entry.listing = Sha256::of(entry.name);
    entry.node = Sha256::of("x" + entry.name);
    entry.has_subdirectories = i % 2 == 0;
    if (i % 1000 == 0) entry.xattrs = {{"user.a", std::string(3000, 'v')}};
    return entry;
  };
  const std::vector<int> sizes{70'000, 3, 60'000};
  for (std::size_t list = 0; list < lists.size(); ++list)
    for (int i = 0; i < sizes[list]; ++i) lists[list].add(spool, entry_of(list, i));
  EXPECT_LE(spool.memory_bytes, 8U << 20U);
  for (std::size_t list = 0; list < lists.size(); ++list) {
    for (int i = 0; i < sizes[list]; ++i) {
      const Entry* front = lists[list].front(spool);
      ASSERT_NE(front, nullptr);
      ASSERT_EQ(*front, entry_of(list, i));
      lists[list].pop();
    }
    EXPECT_EQ(lists[list].front(spool), nullptr);
    EXPECT_TRUE(lists[list].empty());
  }
  EXPECT_EQ(spool.memory_bytes, 0U);
}

}  // namespace
}  // namespace bk::test
