#include "common/digest/sha256_lanes.h"

#include "common/error/error.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

#ifdef __x86_64__
#pragma GCC diagnostic push
#ifndef __clang__  // g++ 12's own header (its bug 105593)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

namespace bk {

void sha256_one_by_one(std::span<const PrefixedBytes> pieces, std::span<Digest> out) {
  thread_local Sha256 hash;
  for (std::size_t i = 0; i < pieces.size(); ++i)
    out[i] = hash.update({&pieces[i].prefix, 1}).update(pieces[i].bytes).finish();
}

#ifdef __x86_64__

namespace {

constexpr std::size_t kLanes = 16;
constexpr std::size_t kBlock = 64;
constexpr std::size_t kFewest = 12;  // pieces: below, the lanes that stand empty cost more than is won

alignas(64) constexpr std::array<std::uint32_t, 64> kRounds = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
constexpr std::array<std::uint32_t, 8> kInitial = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                                   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

using Byte = unsigned char;

// Word w of lane l's state is words[w][l].
struct alignas(64) States {
  std::uint32_t words[8][kLanes];
};

#define BK_AVX512 __attribute__((target("avx512f,avx512bw")))

// Column l of the result is row l: 16 by 16 words, in four steps of pairs.
BK_AVX512 inline void transpose(__m512i (&m)[16]) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(m[i], m[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(m[i], m[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    m[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    m[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    m[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    m[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(m[i], m[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(m[i], m[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(m[i + 8], m[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(m[i + 8], m[i + 12], 0xdd);
  }
  for (int i = 0; i < 8; ++i) {
    m[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    m[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
  }
}

template <int A, int B, int C>
BK_AVX512 inline __m512i rotated(__m512i x) {
  return _mm512_ternarylogic_epi32(_mm512_ror_epi32(x, A), _mm512_ror_epi32(x, B), _mm512_ror_epi32(x, C),
                                   0x96);
}
template <int A, int B, int C>
BK_AVX512 inline __m512i shifted(__m512i x) {
  return _mm512_ternarylogic_epi32(_mm512_ror_epi32(x, A), _mm512_ror_epi32(x, B), _mm512_srli_epi32(x, C),
                                   0x96);
}

// The next `blocks` blocks of each lane, from `at`, which moves on by `step` (0 for a lane without work).
BK_AVX512 void compress(States& states, const Byte* (&at)[kLanes], const std::size_t (&step)[kLanes],
                        std::size_t blocks) {
  const __m512i swap = _mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));
  __m512i s[8];
  for (int i = 0; i < 8; ++i) s[i] = _mm512_load_si512(states.words[i]);
  for (; blocks > 0; --blocks) {
    __m512i w[16];
    for (std::size_t l = 0; l < kLanes; ++l) {
      w[l] = _mm512_loadu_si512(at[l]);
      at[l] += step[l];
    }
    transpose(w);
    for (__m512i& word : w) word = _mm512_shuffle_epi8(word, swap);
    __m512i a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];
#pragma GCC unroll 64
    for (std::size_t i = 0; i < 64; ++i) {
      const __m512i word = w[i % 16];
      const __m512i first = _mm512_add_epi32(
          _mm512_add_epi32(_mm512_add_epi32(h, word), _mm512_set1_epi32(static_cast<int>(kRounds[i]))),
          _mm512_add_epi32(rotated<6, 11, 25>(e), _mm512_ternarylogic_epi32(e, f, g, 0xca)));
      const __m512i second =
          _mm512_add_epi32(rotated<2, 13, 22>(a), _mm512_ternarylogic_epi32(a, b, c, 0xe8));
      h = g, g = f, f = e, e = _mm512_add_epi32(d, first);
      d = c, c = b, b = a, a = _mm512_add_epi32(first, second);
      if (i < 48)
        w[i % 16] =
            _mm512_add_epi32(_mm512_add_epi32(word, shifted<7, 18, 3>(w[(i + 1) % 16])),
                             _mm512_add_epi32(w[(i + 9) % 16], shifted<17, 19, 10>(w[(i + 14) % 16])));
    }
    const __m512i t[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; ++i) s[i] = _mm512_add_epi32(s[i], t[i]);
  }
  for (int i = 0; i < 8; ++i) _mm512_store_si512(states.words[i], s[i]);
}

// One lane's piece as three runs of whole blocks: its first block, because of the prefix; what can be read
// where it lies; the end with its padding.
class Lane {
 public:
  void begin(const PrefixedBytes& piece, Digest* out) {
    out_ = out;
    const auto* bytes = reinterpret_cast<const Byte*>(piece.bytes.data());
    const std::size_t size = piece.bytes.size() + 1;
    const std::size_t whole = size / kBlock;
    run_ = 0;
    runs_[0] = {edge_.data(), whole > 0 ? 1U : 0U};
    runs_[1] = whole > 1 ? Run{bytes + kBlock - 1, whole - 1} : Run{nullptr, 0};
    edge_[0] = static_cast<Byte>(piece.prefix);
    if (whole > 0) std::copy_n(bytes, kBlock - 1, edge_.begin() + 1);
    Byte* const end = edge_.data() + (whole > 0 ? kBlock : 0);
    const std::size_t left = size % kBlock;
    if (whole > 0) {
      std::copy_n(bytes + size - 1 - left, left, end);
    } else {
      std::copy_n(bytes, left - 1, end + 1);
    }
    const std::size_t blocks = left + 9 > kBlock ? 2 : 1;
    std::fill(end + left, end + blocks * kBlock, Byte{0});
    end[left] = 0x80;
    for (unsigned i = 0; i < 8; ++i) end[blocks * kBlock - 1 - i] = static_cast<Byte>(size * 8 >> (8 * i));
    runs_[2] = {end, blocks};
    skip_empty();
  }
  [[nodiscard]] bool at_end() const { return run_ == runs_.size(); }
  [[nodiscard]] bool busy() const { return out_ != nullptr; }
  [[nodiscard]] const Byte* at() const { return runs_[run_].at; }
  [[nodiscard]] std::size_t blocks() const { return runs_[run_].blocks; }
  void did(std::size_t blocks) {
    runs_[run_].at += blocks * kBlock;
    runs_[run_].blocks -= blocks;
    skip_empty();
  }
  void finish(const States& states, std::size_t lane) {
    for (std::size_t w = 0; w < 8; ++w) {
      const std::uint32_t word = __builtin_bswap32(states.words[w][lane]);
      std::memcpy(out_->bytes.data() + 4 * w, &word, sizeof word);
    }
    out_ = nullptr;
  }

 private:
  struct Run {
    const Byte* at;
    std::size_t blocks;
  };
  void skip_empty() {
    while (!at_end() && runs_[run_].blocks == 0) ++run_;
  }
  std::array<Byte, 3 * kBlock> edge_{};
  std::array<Run, 3> runs_{};
  std::size_t run_ = 0;
  Digest* out_ = nullptr;
};

class Lanes {
 public:
  Lanes(std::span<const PrefixedBytes> pieces, std::span<Digest> out) : pieces_(pieces), out_(out) {
    order_.resize(pieces.size());
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    // The longest first, so that all lanes end at about the same time.
    std::sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) {
      return pieces_[a].bytes.size() > pieces_[b].bytes.size();
    });
  }
  void run() {
    for (std::size_t l = 0; l < kLanes; ++l) begin_next(l);
    while (busy_ > 0) step();
  }

 private:
  void begin_next(std::size_t l) {
    if (next_ == order_.size()) return;
    const std::size_t piece = order_[next_++];
    lanes_[l].begin(pieces_[piece], &out_[piece]);
    for (std::size_t w = 0; w < 8; ++w) states_.words[w][l] = kInitial[w];
    ++busy_;
  }
  void step() {
    static constexpr std::array<Byte, kBlock> kNothing{};
    std::size_t blocks = ~std::size_t{0};
    const Byte* at[kLanes];
    std::size_t step[kLanes];
    for (std::size_t l = 0; l < kLanes; ++l) {
      const bool busy = lanes_[l].busy();
      at[l] = busy ? lanes_[l].at() : kNothing.data();
      step[l] = busy ? kBlock : 0;
      if (busy) blocks = std::min(blocks, lanes_[l].blocks());
    }
    compress(states_, at, step, blocks);
    for (std::size_t l = 0; l < kLanes; ++l) {
      if (!lanes_[l].busy()) continue;
      lanes_[l].did(blocks);
      if (!lanes_[l].at_end()) continue;
      lanes_[l].finish(states_, l);
      --busy_;
      begin_next(l);
    }
  }

  std::span<const PrefixedBytes> pieces_;
  std::span<Digest> out_;
  std::vector<std::size_t> order_;
  std::size_t next_ = 0, busy_ = 0;
  States states_{};
  std::array<Lane, kLanes> lanes_;
};

bool can_sha256_in_lanes() {
  static const bool can = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
  return can;
}

}  // namespace

void sha256_in_lanes(std::span<const PrefixedBytes> pieces, std::span<Digest> out) {
  if (!can_sha256_in_lanes()) return sha256_one_by_one(pieces, out);
  Lanes(pieces, out).run();
}

void sha256_many(std::span<const PrefixedBytes> pieces, std::span<Digest> out) {
  BK_CHECK(pieces.size() == out.size());
  if (pieces.size() < kFewest) return sha256_one_by_one(pieces, out);
  sha256_in_lanes(pieces, out);
}

#else

void sha256_in_lanes(std::span<const PrefixedBytes> pieces, std::span<Digest> out) {
  sha256_one_by_one(pieces, out);
}
void sha256_many(std::span<const PrefixedBytes> pieces, std::span<Digest> out) {
  sha256_one_by_one(pieces, out);
}

#endif

}  // namespace bk
