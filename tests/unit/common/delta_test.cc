// Signatures, deltas and patches: what comes out is the new content, and nothing that a peer sends makes more
// of it than was announced.
#include "common/delta/delta.h"

#include "common/error/error.h"

#include <gtest/gtest.h>

#include <random>

namespace bk {
namespace {

std::string noise(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

std::string there_and_back(const std::string& old, const std::string& now, std::uint32_t block,
                           std::size_t* cost = nullptr) {
  const std::string delta = make_delta(block_sums(old, block), block, now);
  if (cost != nullptr) *cost = delta.size();
  return apply_delta(old, delta, now.size());
}

// A literal is a command byte, its length, and the bytes; a copy a command byte, position and length; 0 ends.
std::string commands(const std::string& bytes) { return "rs\x02" + ("6" + bytes); }

TEST(Delta, MakesTheNewContentOfTheOldOne) {
  const std::string old = noise(300'000, 1);
  for (const std::uint32_t block : {256U, 1000U, 2048U, 16384U}) {
    std::string now = old;
    now.replace(100'000, 8192, noise(8192, 2));
    now.insert(200'000, "inserted");
    now.erase(5, 3);
    std::size_t cost = 0;
    EXPECT_EQ(there_and_back(old, now, block, &cost), now);
    EXPECT_LT(cost, 8192U + 8 * block);
  }
}

TEST(Delta, TakesEveryLength) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{255}, std::size_t{256},
                                 std::size_t{257}, std::size_t{512}, std::size_t{1U << 20U}}) {
    const std::string old = noise(size, 3), other = noise(size / 2 + 1, 4);
    EXPECT_EQ(there_and_back(old, old, 256), old) << size;
    EXPECT_EQ(there_and_back(old, other, 256), other) << size;
    EXPECT_EQ(there_and_back(other, old, 256), old) << size;
  }
  EXPECT_EQ(there_and_back(std::string(100'000, 'x'), std::string(99'999, 'x'), 512),
            std::string(99'999, 'x'));
}

TEST(Delta, FindsWhatMovedAndTheShorterBlockAtTheEnd) {
  const std::string old = noise(64 * 512 + 100, 7);
  std::size_t cost = 0;
  // Halves exchanged, something in front, and the end of the old content at the end of the new one.
  const std::string now =
      "in front" + old.substr(32 * 512 + 3, 31 * 512) + old.substr(0, 32 * 512) + old.substr(64 * 512 - 512);
  EXPECT_EQ(there_and_back(old, now, 512, &cost), now);
  EXPECT_LT(cost, 8 + 3 * 512U + 64);
  EXPECT_EQ(there_and_back(old, old.substr(64 * 512), 512, &cost), old.substr(64 * 512));
  EXPECT_LT(cost, 16U);
}

TEST(Delta, EqualBlocksAreFoundFromAnyPlace) {
  std::string old;
  for (int i = 0; i < 200; ++i) old += noise(256, static_cast<unsigned>(i % 3));
  const std::string now = "x" + old.substr(100);
  std::size_t cost = 0;
  EXPECT_EQ(there_and_back(old, now, 256, &cost), now);
  EXPECT_LT(cost, 2000U);
}

TEST(Delta, SumsAreAsLongAsTheyAreSaidToBe) {
  EXPECT_EQ(block_sums("", 256), "");
  EXPECT_EQ(block_sums(noise(256, 1), 256).size(), kBlockSumBytes);
  EXPECT_EQ(block_sums(noise(257, 1), 256).size(), 2 * kBlockSumBytes);
}

TEST(Delta, BlocksGrowWithTheContent) {
  EXPECT_EQ(block_size_for(0), 256U);
  EXPECT_EQ(block_size_for(20'000), 1024U);
  EXPECT_EQ(block_size_for(1U << 20U), 2048U);
  EXPECT_TRUE(is_block_size(block_size_for(SIZE_MAX / 100)));
}

TEST(Delta, AResultOfAnotherLengthIsRefused) {
  const std::string old = noise(10'000, 1);
  const std::string delta = make_delta(block_sums(old, 256), 256, old);
  EXPECT_THROW((void)apply_delta(old, delta, old.size() - 1), Error);
  EXPECT_THROW((void)apply_delta(old, delta, old.size() + 1), Error);
  EXPECT_THROW((void)apply_delta(old, delta, 0), Error);
}

TEST(Delta, BrokenDeltasAreRefused) {
  const std::string old = noise(1000, 1);
  const std::string good = make_delta(block_sums(old, 256), 256, old);
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_THROW((void)apply_delta(old, good.substr(0, size), old.size()), Error) << size;
  }
  const std::string end(1, '\0');
  EXPECT_THROW((void)apply_delta(old,
                                 "rs\x01"
                                 "7" +
                                     end,
                                 0),
               Error);
  EXPECT_EQ(apply_delta(old, commands(end), 0), "");
  // A copy behind the basis, over its end, from nowhere, and of 2^31 bytes.
  EXPECT_THROW((void)apply_delta(old, commands(std::string("\x46\x03\xe8\x01", 4) + end), 1), Error);
  EXPECT_THROW((void)apply_delta(old, commands(std::string("\x46\x03\xe7\x02", 4) + end), 2), Error);
  EXPECT_THROW((void)apply_delta("", commands(std::string("\x45\x00\x01", 3) + end), 1), Error);
  const std::string huge = std::string("\x54\xff\xff\xff\xff\xff\xff\xff\xff", 9) + "\x7f\xff\xff\xff";
  EXPECT_THROW((void)apply_delta(old, commands(huge + end), 1000), Error);
  // A literal of 2^63 bytes.
  EXPECT_THROW(
      (void)apply_delta(old, commands(std::string("\x44\x7f\xff\xff\xff\xff\xff\xff\xff", 9) + end), 9),
      Error);
}

TEST(Delta, SumsThatMeanNothingCostOnlyTheGain) {
  const std::string content = noise(50'000, 5);
  const std::string delta = make_delta(noise(kBlockSumBytes * 100, 6), 512, content);
  EXPECT_EQ(apply_delta("", delta, content.size()), content);
  EXPECT_LT(delta.size(), content.size() + 100);
}

}  // namespace
}  // namespace bk
