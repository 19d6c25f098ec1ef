// What parity cannot bring back: the next backup of the source does, for the older snapshots, too.
#include "common/io/file.h"
#include "server/bkdb/verify.h"
#include "tests/support/pull_world.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <set>

namespace bk::test {
namespace {

void put(const std::string& path, const std::string& bytes) {
  ensure_directory(parent_of(path));
  const Fd fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  write_all(fd.get(), bytes);
}

std::string noise(std::size_t size, std::uint32_t seed) {
  std::string bytes;
  for (std::uint32_t x = seed; bytes.size() < size;) {
    x = x * 1664525U + 1013904223U;
    bytes.push_back(static_cast<char>(x >> 24U));
  }
  return bytes;
}

class HealByBackup : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 40; ++i)
      put(world_.source() + "/" + std::to_string(i % 4) + "/" + std::to_string(i),
          noise(1'000'000, 77U + static_cast<std::uint32_t>(i)));
    (void)world_.pull();
    first_ = *world_.newest();
    put(world_.source() + "/0/new", noise(10'000, 3));
    (void)world_.pull();
    second_ = *world_.newest();
  }

  [[nodiscard]] std::vector<std::string> packs() {
    std::vector<std::string> out;
    const std::string folder = world_.store().directory() + "/packs";
    for (const std::string& name : list_directory(folder))
      for (const std::string& file : list_directory(folder + "/" + name)) {
        const std::string path = folder + "/" + name + "/" + file;
        if (file.ends_with(".parity"))
          (void)::unlink(path.c_str());
        else
          out.push_back(path);
      }
    return out;
  }

  // The paths that suffer, as `bkdb verify` finds and notes them.
  std::set<std::string> suffering(bool content) {
    std::set<std::string> paths, ids;
    if (!content) (void)world_.store().check_packs({}, [](const store::PackProblem&) {}, {});
    std::vector<store::SnapshotRecord> all = world_.store().snapshots();
    std::vector<const store::SnapshotRecord*> some;
    for (const store::SnapshotRecord& snapshot : all) some.push_back(&snapshot);
    (void)bkdb::verify_snapshots(
        world_.store(), some, {content, nullptr},
        [&](const store::SnapshotRecord& snapshot, const std::string& path, const bkdb::Reason&) {
          paths.insert(path);
          ids.insert(snapshot.id);
        });
    if (!content) world_.store().note_suffering({ids.begin(), ids.end()});
    return paths;
  }

  void expect_healed_by_the_next_backup() {
    EXPECT_TRUE(world_.store().suffers(second_.id));
    const auto healing = world_.pull();
    EXPECT_GT(healing.read_files, 0U);
    EXPECT_EQ(suffering(true), std::set<std::string>{});
    EXPECT_EQ(world_.differences(), "");
    const auto after = world_.pull();
    EXPECT_EQ(after.read_files, 0U);
    EXPECT_EQ(after.wanted_directories, 0U);
  }

  PullWorld world_;
  store::SnapshotRecord first_, second_;
};

TEST_F(HealByBackup, DamagedContentOfUnchangedFilesIsReadAgain) {
  ASSERT_FALSE(packs().empty());
  const std::string pack = packs().front();
  const Fd fd = open_file(pack, O_RDWR);
  for (const off_t at : {1'000'000, 1'000'001, 9'000'000}) ASSERT_EQ(::pwrite(fd.get(), "damage", 6, at), 6);
  const std::set<std::string> paths = suffering(false);
  EXPECT_GE(paths.size(), 2U);
  EXPECT_LE(paths.size(), 8U);  // a group or two, not everything
  expect_healed_by_the_next_backup();
}

TEST_F(HealByBackup, ALostPackComesBack) {
  for (const std::string& pack : packs()) ASSERT_EQ(::unlink(pack.c_str()), 0);
  EXPECT_GT(suffering(false).size(), 20U);
  expect_healed_by_the_next_backup();
}

}  // namespace
}  // namespace bk::test
