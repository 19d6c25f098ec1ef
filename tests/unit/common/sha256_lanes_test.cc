#include "common/digest/sha256_lanes.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace {

using bk::Digest;
using bk::PrefixedBytes;

std::string noise(std::size_t bytes) {
  std::mt19937 random(7);
  std::string out(bytes, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

std::vector<Digest> one_by_one(const std::vector<PrefixedBytes>& pieces) {
  std::vector<Digest> out;
  for (const PrefixedBytes& piece : pieces)
    out.push_back(bk::Sha256::of(std::string(1, piece.prefix).append(piece.bytes)));
  return out;
}

std::vector<Digest> in_lanes(const std::vector<PrefixedBytes>& pieces) {
  std::vector<Digest> out(pieces.size());
  bk::sha256_in_lanes(pieces, out);
  return out;
}

TEST(Lanes, GiveForEveryLengthAndAlignmentWhatOpenSslGives) {
  const std::string bytes = noise(2000);
  std::vector<PrefixedBytes> pieces;
  for (std::size_t size = 0; size <= 400; ++size)
    for (const std::size_t from : {0U, 1U, 63U})
      pieces.push_back({static_cast<char>(size), std::string_view(bytes).substr(from, size)});
  EXPECT_EQ(in_lanes(pieces), one_by_one(pieces));
}

TEST(Lanes, GiveForEveryNumberOfPiecesWhatOpenSslGives) {
  const std::string bytes = noise(300000);
  std::mt19937 random(3);
  for (std::size_t count = 0; count <= 70; ++count) {
    std::vector<PrefixedBytes> pieces;
    for (std::size_t i = 0; i < count; ++i)
      pieces.push_back({'D', std::string_view(bytes).substr(random() % 200000, random() % 70000)});
    ASSERT_EQ(in_lanes(pieces), one_by_one(pieces)) << count;
  }
}

TEST(Lanes, ReadNothingBeforeOrBehindAPiece) {
  const std::string bytes = noise(300);
  std::vector<std::vector<char>> alone;  // so that a sanitizer sees a byte too many
  for (std::size_t size = 0; size <= 300; ++size)
    alone.emplace_back(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
  std::vector<PrefixedBytes> pieces;
  for (const std::vector<char>& piece : alone) pieces.push_back({'N', {piece.data(), piece.size()}});
  EXPECT_EQ(in_lanes(pieces), one_by_one(pieces));
}

TEST(ManyDigests, AreThoseOfEachPieceInOrderWhateverTheProcessor) {
  const std::string bytes = noise(100000);
  for (const std::size_t count : {1U, 11U, 12U, 64U}) {
    std::vector<PrefixedBytes> pieces;
    for (std::size_t i = 0; i < count; ++i)
      pieces.push_back({'L', std::string_view(bytes).substr(i, 1000 * i)});
    std::vector<Digest> many(count), alone(count);
    bk::sha256_many(pieces, many);
    bk::sha256_one_by_one(pieces, alone);
    EXPECT_EQ(many, one_by_one(pieces));
    EXPECT_EQ(alone, one_by_one(pieces));
  }
}

}  // namespace
