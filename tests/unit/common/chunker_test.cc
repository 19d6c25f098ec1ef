#include "common/chunk/chunker.h"

#include "common/chunk/chunk_id.h"
#include "tests/support/noise.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace bk {
namespace {

using test::noise;

std::vector<std::size_t> cuts(const Chunker& chunker, std::string_view data) {
  std::vector<std::size_t> out;
  while (!data.empty()) {
    out.push_back(chunker.next_cut(data, true));
    data.remove_prefix(out.back());
  }
  return out;
}

std::multiset<std::string> pieces(const Chunker& chunker, const std::string& data) {
  std::multiset<std::string> out;
  std::size_t at = 0;
  for (const std::size_t length : cuts(chunker, data)) {
    out.insert(data.substr(at, length));
    at += length;
  }
  return out;
}

TEST(Chunker, CutsOfVersionOneNeverChange) {
  const Chunker chunker{ChunkerParams{}};
  EXPECT_EQ(cuts(chunker, noise(200000, 42)),
            (std::vector<std::size_t>{16487, 14810, 19226, 17834, 31096, 18475, 19187, 20752, 17878, 24255}));
}

TEST(Chunker, ChunksStayWithinTheirLimitsAndNearTheAverage) {
  const ChunkerParams params{1024, 4096, 16384};
  const std::vector<std::size_t> lengths = cuts(Chunker{params}, noise(4 << 20, 7));
  for (std::size_t i = 0; i + 1 < lengths.size(); ++i) {
    EXPECT_GE(lengths[i], params.min_bytes);
    EXPECT_LE(lengths[i], params.max_bytes);
  }
  const std::size_t average = (4U << 20U) / lengths.size();
  EXPECT_GT(average, params.average_bytes * 3 / 4);
  EXPECT_LT(average, params.average_bytes * 3 / 2);
}

TEST(Chunker, AnInsertionMovesFewCuts) {
  const Chunker chunker{ChunkerParams{}};
  const std::string before = noise(4 << 20, 3);
  std::string after = before;
  after.insert(1234567, noise(5000, 9));
  std::size_t fresh = 0;
  std::multiset<std::string> old = pieces(chunker, before);
  for (const std::string& piece : pieces(chunker, after)) {
    if (!old.contains(piece)) ++fresh;
  }
  EXPECT_LE(fresh, 6U);
}

TEST(Chunker, AsksForMoreUntilACutIsCertain) {
  const Chunker chunker{ChunkerParams{}};
  const std::string data = noise(200000, 42);
  const std::size_t whole = chunker.next_cut(data, true);
  for (std::size_t known = 0; known < 70000; known += 777) {
    const std::size_t cut = chunker.next_cut(std::string_view(data).substr(0, known), false);
    EXPECT_TRUE(cut == 0 || cut == whole) << known;
    EXPECT_EQ(cut == whole, known >= whole) << known;
  }
}

TEST(Chunker, ConstantBytesAreCutAtTheMaximum) {
  const Chunker chunker{ChunkerParams{}};
  EXPECT_EQ(chunker.next_cut(std::string(100000, '\0'), true), 65536U);
  EXPECT_EQ(chunker.next_cut(std::string(100, '\0'), true), 100U);
  EXPECT_EQ(chunker.next_cut(std::string(100, '\0'), false), 0U);
}

TEST(Chunker, ImpossibleParametersAreInvalid) {
  EXPECT_TRUE(ChunkerParams{}.valid());
  EXPECT_FALSE((ChunkerParams{4096, 10000, 65536}.valid()));
  EXPECT_FALSE((ChunkerParams{32, 64, 128}.valid()));
  EXPECT_FALSE((ChunkerParams{4096, 2048, 65536}.valid()));
  EXPECT_FALSE((ChunkerParams{4096, 16384, 8U << 20U}.valid()));
}

TEST(ChunkId, KindIsPartOfTheIdentity) {
  EXPECT_EQ(chunk_id(ObjectKind::Data, "abc"), Sha256::of("Dabc"));
  EXPECT_EQ(chunk_id(ObjectKind::Tree, "abc"), Sha256::of("Tabc"));
  EXPECT_NE(chunk_id(ObjectKind::List, "abc"), chunk_id(ObjectKind::Data, "abc"));
}

}  // namespace
}  // namespace bk
