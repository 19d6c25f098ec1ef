#include "common/chunk/file_cutter.h"

#include "tests/support/noise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace bk {
namespace {

constexpr ChunkerParams kParams{2048, 8192, 32768}, kHalf{1024, 4096, 16384};
constexpr std::size_t kFirst = 32768;  // of a file, in shorter chunks

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

// The same with the file arriving in random pieces, as by an agent or a pipe.
std::vector<std::size_t> cuts_in_pieces(FileCutter& cutter, const std::string& file, std::mt19937& random) {
  std::vector<std::size_t> out;
  cutter.begin(std::string_view(file).substr(0, FileCutter::kHeadBytes));
  std::size_t at = 0, come = 0;
  while (at < file.size()) {
    come = std::min(file.size(), come + random() % 20000);
    const std::string_view here = std::string_view(file).substr(at, come - at);
    const std::size_t length = cutter.next_cut(here, at, come == file.size());
    if (length == 0) continue;
    out.push_back(length);
    at += length;
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
  const Chunker short_chunks(kHalf), chunker(kParams);
  FileCutter cutter(kParams);
  std::vector<std::string> files{noise(100000, 9), database(100000, 4096).substr(0, 17), "",
                                 database(100000, 4095), database(100000, 256)};
  files.push_back("x" + database(100000, 4096));
  for (const std::string& file : files) {
    cutter.begin(file);
    EXPECT_FALSE(cutter.on_pages());
    EXPECT_EQ(cutter.next_cut(file, 0, true), short_chunks.next_cut(file, true));
    EXPECT_EQ(cutter.next_cut(file, kFirst - 1, true), short_chunks.next_cut(file, true));
    EXPECT_EQ(cutter.next_cut(file, kFirst, true), chunker.next_cut(file, true));
  }
}

TEST(FileCutter, ChunksAreHalfAsLongInTheFirstFourAverageOnes) {
  FileCutter cutter(kParams);
  std::size_t first = 0, later = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const std::string file = noise(10 * kFirst, seed);
    std::size_t at = 0;
    for (const std::size_t length : cuts(cutter, file)) {
      const ChunkerParams& params = at < kFirst ? kHalf : kParams;
      ++(at < kFirst ? first : later);
      EXPECT_LE(length, params.max_bytes) << at;
      at += length;
      if (at < file.size()) {
        EXPECT_GT(length, params.min_bytes) << at;
      }
    }
    EXPECT_EQ(at, file.size());
  }
  // 4 and 36 average chunks of each file; whoever begins late in the beginning ends behind it.
  EXPECT_NEAR(static_cast<double>(first) / 40, 8, 1);
  EXPECT_NEAR(static_cast<double>(later) / 40, 36, 4);
}

TEST(FileCutter, WhatGrowsIsOnlyCutAnewAtItsEnd) {
  FileCutter cutter(kParams);
  const std::string file = noise(3 * kFirst, 11);
  const std::vector<std::size_t> whole = cuts(cutter, file);
  for (std::size_t size = 1; size < file.size(); size += 997) {
    std::vector<std::size_t> part = cuts(cutter, std::string_view(file).substr(0, size));
    part.pop_back();
    ASSERT_LE(part.size(), whole.size());
    EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin())) << size;
  }
}

TEST(FileCutter, AnInsertionAtTheBeginningOnlyMovesCutsThere) {
  FileCutter cutter(kParams);
  const std::string file = noise(10 * kFirst, 12),
                    changed = file.substr(0, 100) + "inserted" + file.substr(100);
  const auto ends = [&](const std::string& content) {  // counted from the file's end
    std::set<std::size_t> out;
    std::size_t left = content.size();
    for (const std::size_t length : cuts(cutter, content)) out.insert(left -= length);
    return out;
  };
  const std::set<std::size_t> before = ends(file), after = ends(changed);
  std::vector<std::size_t> fresh;
  std::set_difference(after.begin(), after.end(), before.begin(), before.end(), std::back_inserter(fresh));
  EXPECT_LE(fresh.size(), 4U);
}

TEST(FileCutter, PiecesInWhichAFileComesDoNotMatter) {
  FileCutter cutter(kParams);
  std::mt19937 random(13);
  for (int round = 0; round < 60; ++round) {
    std::string file = noise(random() % (4 * kFirst), random());
    if (round % 3 == 1) std::fill(file.begin() + static_cast<long>(file.size() / 2), file.end(), 'x');
    if (round % 3 == 2) file = database(file.size() + 18, 1U << (9 + random() % 8));
    const std::vector<std::size_t> whole = cuts(cutter, file);
    EXPECT_EQ(cuts_in_pieces(cutter, file, random), whole) << round;
  }
}

TEST(FileCutter, AStoreWithLongChunksGoesOnAsItBegan) {
  const ChunkerParams params{4096, 16384, 65536};
  FileCutter cutter(params);
  const std::string file = database(100000, 4096);
  cutter.begin(file);
  EXPECT_FALSE(cutter.on_pages());
  EXPECT_EQ(cutter.next_cut(file, 0, true), Chunker(params).next_cut(file, true));
}

TEST(FileCutter, ChunksThatCannotBeHalvedStayAsTheyAre) {
  const ChunkerParams params{64, 64, 64};
  FileCutter cutter(params);
  EXPECT_EQ(cuts(cutter, noise(200, 14)), (std::vector<std::size_t>{64, 64, 64, 8}));
}

}  // namespace
}  // namespace bk
