#include "common/chunk/chunker.h"

#include "common/error/error.h"

#include <algorithm>
#include <array>
#include <bit>

namespace bk {
namespace {

constexpr std::uint32_t kSmallestMin = 64;
constexpr std::uint32_t kLargestMax = 4U << 20U;

// 256 random words: SplitMix64 (Steele, Lea, Flood 2014) from a fixed seed, so that the table needs no file.
constexpr std::array<std::uint64_t, 256> make_gear() {
  std::array<std::uint64_t, 256> gear{};
  std::uint64_t state = 0x4261636b6c696e65U;  // "Backline"
  for (std::uint64_t& word : gear) {
    state += 0x9e3779b97f4a7c15U;
    std::uint64_t z = state;
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    word = z ^ (z >> 31U);
  }
  return gear;
}
constexpr std::array<std::uint64_t, 256> kGear = make_gear();

constexpr std::array<std::uint64_t, 256> shifted(std::array<std::uint64_t, 256> gear) {
  for (std::uint64_t& word : gear) word <<= 1U;
  return gear;
}
constexpr std::array<std::uint64_t, 256> kGearBefore = shifted(kGear);  // of the byte before the last one

// The hash shifts left, so its top bits have seen the last 64 bytes and its bottom bits only a few.
constexpr std::uint64_t top_bits(unsigned count) {
  return count == 0 ? 0 : ~std::uint64_t{0} << (64U - count);
}

// The position after the first byte in [from, to) at which the masked hash is zero, or 0.  The mask is of top
// bits, so that means: the hash is not above the other bits.  Two bytes a step (as in Xia et al., FastCDC,
// 2020) make the chain of dependent sums half as long: a quarter less time.
std::size_t scan(const unsigned char* data, std::size_t from, std::size_t to, std::uint64_t mask,
                 std::uint64_t& hash) {
  const std::uint64_t most = ~mask;
  std::uint64_t h = hash;
  std::size_t i = from;
#pragma GCC unroll 4
  for (; i + 2 <= to; i += 2) {
    const std::uint64_t between = (h << 1U) + kGear[data[i]];
    h = (h << 2U) + (kGearBefore[data[i]] + kGear[data[i + 1]]);
    if (between <= most) return i + 1;
    if (h <= most) return i + 2;
  }
  if (i < to) {
    h = (h << 1U) + kGear[data[i]];
    if (h <= most) return i + 1;
  }
  hash = h;
  return 0;
}

}  // namespace

bool ChunkerParams::valid() const {
  return kSmallestMin <= min_bytes && min_bytes <= average_bytes && average_bytes <= max_bytes &&
         max_bytes <= kLargestMax && std::has_single_bit(average_bytes);
}

// Normalised chunking, level 2: two bits more before the average length, two fewer after it.
Chunker::Chunker(ChunkerParams params) : params_(params) {
  BK_CHECK(params.valid());
  const unsigned bits = static_cast<unsigned>(std::countr_zero(params.average_bytes));
  mask_small_ = top_bits(bits + 2);
  mask_large_ = top_bits(bits - 2);
}

std::size_t Chunker::next_cut(std::string_view data, bool at_end) const {
  const std::size_t size = std::min<std::size_t>(data.size(), params_.max_bytes);
  const std::size_t middle = std::min<std::size_t>(size, params_.average_bytes);
  const auto* bytes = reinterpret_cast<const unsigned char*>(data.data());
  if (size > params_.min_bytes) {
    std::uint64_t hash = 0;
    if (const std::size_t cut = scan(bytes, params_.min_bytes, middle, mask_small_, hash)) return cut;
    if (const std::size_t cut = scan(bytes, middle, size, mask_large_, hash)) return cut;
  }
  if (size == params_.max_bytes || at_end) return size;
  return 0;
}

}  // namespace bk
