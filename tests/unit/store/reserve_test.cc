// Removing on a disk that is full.  Needs the right to mount; skipped without it.
#include "server/store/reserve.h"

#include "tests/support/disk_image.h"
#include "tests/unit/store/store_fixture.h"

#include <fcntl.h>
#include <unistd.h>

namespace bk::store {
namespace {

using namespace test;  // NOLINT: builders

class FullDiskTest : public StoreTest {
 protected:
  static constexpr std::uint64_t kReserve = 8U << 20U;
  [[nodiscard]] static std::unique_ptr<Store> open_at(const std::string& disk, std::uint64_t reserve) {
    return Store::open(disk + "/store", true, {}, {.parity_percent = 3, .reserve_bytes = reserve});
  }
  // Fills what is left, to the last block.
  static void fill(const std::string& disk) {
    const Fd fd = open_file(disk + "/filler", O_WRONLY | O_CREAT | O_APPEND);
    for (std::size_t size = 1U << 20U; size >= 1024; size /= 2) {
      const std::string piece(size, 'x');
      while (::write(fd.get(), piece.data(), piece.size()) > 0) {
      }
    }
  }
};

TEST_F(FullDiskTest, TheReserveIsMadeGivenUpAndMadeAgain) {
  const std::string store = home() + "/store";
  ensure_directory(store);
  keep_reserve(store, 1U << 20U);
  ASSERT_TRUE(path_exists(store + "/locks/reserve"));
  free_reserve_if_short(store, 1);
  EXPECT_TRUE(path_exists(store + "/locks/reserve"));
  free_reserve_if_short(store, UINT64_MAX);
  EXPECT_FALSE(path_exists(store + "/locks/reserve"));
  keep_reserve(store, UINT64_MAX / 4);
  EXPECT_FALSE(path_exists(store + "/locks/reserve")) << "no room for so much";
}

TEST_F(FullDiskTest, RmAndCleanWorkOnAFullDisk) {
  const bk::test::DiskImage image(home() + "/image", home() + "/disk", 64);
  if (!image.usable()) GTEST_SKIP() << image.why();
  const std::string disk = image.path();
  std::vector<std::string> ids;
  {
    const auto store = open_at(disk, kReserve);
    for (std::uint64_t i = 0; i < 3; ++i)
      ids.push_back(commit(*store, "web1", {{"a", noise(4000000, 1 + i)}, {"b", noise(60000, 9)}}).id);
    ASSERT_TRUE(path_exists(disk + "/store/locks/reserve"));
  }
  fill(disk);
  EXPECT_THROW((void)commit(*open_at(disk, kReserve), "web1", {{"a", noise(4000000, 50)}}), Error);
  const auto store = open_at(disk, kReserve);
  const std::vector<std::string> first{ids[0], ids[1]};
  store->mark_snapshots("web1", {MarkKind::Removal, {1783000200, 0}, "root", ""}, first);
  const CleanTotals totals = store->clean({.expect = {}, .rewrite_percent = 0});
  EXPECT_GT(totals.freed_bytes, 7000000U);
  const auto again = open_at(disk, kReserve);
  ASSERT_EQ(again->snapshots().size(), 1U);
  DirectoryReader reader(*again, again->snapshots().front().root.node);
  while (const auto entry = reader.next()) EXPECT_EQ(content_of(*again, *entry).size(), entry->size);
  EXPECT_EQ(problems(*again), std::vector<std::string>{});
  remove_durably(disk + "/filler");
  (void)commit(*again, "web1", {{"c", "c"}});
  EXPECT_TRUE(path_exists(disk + "/store/locks/reserve"));
}

}  // namespace
}  // namespace bk::store
