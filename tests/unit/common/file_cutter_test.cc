#include "common/chunk/file_cutter.h"

#include "tests/support/noise.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace bk {
namespace {

constexpr ChunkerParams kParams{2048, 8192, 32768};

using test::noise;

// Bytes that begin as a database of such pages does.
std::string database(std::size_t size, std::size_t page) {
  std::string out = noise(size, 3);
  out.replace(0, 16, std::string("SQLite format 3\0", 16));
  out[16] = static_cast<char>(page == 65536 ? 0 : page >> 8U);
  out[17] = static_cast<char>(page == 65536 ? 1 : page & 0xffU);
  return out;
}

std::vector<std::size_t> cuts(FileCutter& cutter, std::string_view file, std::size_t from = 0) {
  std::vector<std::size_t> out;
  cutter.begin(file);
  while (from < file.size()) {
    out.push_back(cutter.next_cut(file.substr(from), from, true));
    from += out.back();
  }
  return out;
}

TEST(FileCutter, ADatabaseIsCutOnPageBordersInPiecesOfAboutAChunk) {
  FileCutter cutter(kParams);
  using Cuts = std::vector<std::size_t>;
  for (const std::size_t page : {512U, 1024U, 4096U, 8192U})
    EXPECT_EQ(cuts(cutter, database(20000, page)), (Cuts{8192, 8192, 3616})) << page;
  EXPECT_EQ(cuts(cutter, database(40000, 16384)), (Cuts{16384, 16384, 7232}));
  EXPECT_EQ(cuts(cutter, database(70000, 65536)), (Cuts{32768, 32768, 4464}));
  EXPECT_TRUE(cutter.on_pages());
}

TEST(FileCutter, APartIsCutAsItIsInTheWhole) {
  FileCutter cutter(kParams);
  const std::string file = database(50000, 4096);
  EXPECT_EQ(cuts(cutter, file, 8192), cuts(cutter, file.substr(0, 50000 - 8192)));
  EXPECT_EQ(cuts(cutter, file, 9000).front(), 2U * 8192 - 9000);
  EXPECT_EQ(cutter.next_cut(std::string_view(file).substr(0, 8191), 0, false), 0U);
}

TEST(FileCutter, EverythingElseIsCutByItsContent) {
  const Chunker chunker(kParams);
  FileCutter cutter(kParams);
  std::vector<std::string> files{noise(100000, 9), database(100000, 4096).substr(0, 17), "",
                                 database(100000, 4095), database(100000, 256)};
  files.push_back("x" + database(100000, 4096));
  for (const std::string& file : files) {
    cutter.begin(file);
    EXPECT_FALSE(cutter.on_pages());
    EXPECT_EQ(cutter.next_cut(file, 0, true), chunker.next_cut(file, true));
  }
}

TEST(FileCutter, AStoreWithLongChunksGoesOnAsItBegan) {
  const ChunkerParams params{4096, 16384, 65536};
  FileCutter cutter(params);
  cutter.begin(database(100000, 4096));
  EXPECT_FALSE(cutter.on_pages());
}

}  // namespace
}  // namespace bk
