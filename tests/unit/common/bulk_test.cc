#include "common/io/bulk.h"

#include "common/error/error.h"
#include "common/io/fd.h"
#include "common/io/file.h"
#include "tests/support/temp_dir.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <string>

namespace bk {
namespace {

std::string numbered(std::size_t bytes) {
  std::string out;
  for (std::uint64_t i = 0; out.size() < bytes; ++i) out += std::to_string(i * 7919) + ",";
  out.resize(bytes);
  return out;
}

void put(int fd, const std::string& all, std::size_t at, std::size_t bytes, WriteBehind& behind) {
  ASSERT_EQ(::pwrite(fd, all.data() + at, bytes, static_cast<off_t>(at)), static_cast<ssize_t>(bytes));
  behind.wrote(fd, at, bytes);
}

TEST(WriteBehind, KeepsEveryByteWhateverTheOrderOfTheWrites) {
  const test::TempDir dir;
  const std::string all = numbered(90U << 20U);
  constexpr std::size_t kPiece = 1000003;
  {
    const Fd fd = open_file(dir.file("f"), O_RDWR | O_CREAT);
    WriteBehind behind;
    // Forwards in odd pieces, of which every third comes at the end: pages are let go of half filled.
    for (const bool late : {false, true}) {
      for (std::size_t i = 0; i * kPiece < all.size(); ++i)
        if ((i % 3 == 0) == late)
          put(fd.get(), all, i * kPiece, std::min(kPiece, all.size() - i * kPiece), behind);
    }
    behind.let_go(fd.get());
  }
  EXPECT_TRUE(read_file(dir.file("f"), 1U << 30U) == all);
}

TEST(PreadInPassing, GivesTheSameCachedOrNotAndShortAtTheEnd) {
  const test::TempDir dir;
  const std::string all = numbered(3U << 20U);
  const Fd fd = open_file(dir.file("f"), O_RDWR | O_CREAT);
  write_all(fd.get(), all);
  std::string got(2U << 20U, '\0');
  for (const bool cached : {true, false, false}) {
    if (!cached) {
      sync_file(fd.get());
      (void)::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
    }
    ASSERT_EQ(pread_in_passing(fd.get(), got.data(), got.size(), 12345), got.size());
    EXPECT_TRUE(got == all.substr(12345, got.size()));
    ASSERT_EQ(pread_in_passing(fd.get(), got.data(), got.size(), 2U << 20U), std::size_t{1} << 20U);
    EXPECT_TRUE(got.substr(0, 1U << 20U) == all.substr(2U << 20U));
    EXPECT_EQ(pread_in_passing(fd.get(), got.data(), got.size(), 3U << 20U), 0U);
  }
}

}  // namespace
}  // namespace bk
