// Signatures, deltas and patches of pieces of content, in librsync's formats (rolling sum: Rabin-Karp, strong
// sum: BLAKE2b cut to 16 bytes; never MD4).
//
// A signature is only the sums: no header travels, so a peer cannot choose formats or lengths.  librsync puts
// no checksum over the result: whoever patches compares the result with its identity.  Limits are the
// caller's; what is given must be whole.  Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace bk {

inline constexpr std::size_t kBlockSumBytes = 20;  // of one block: 4 rolling, 16 strong
inline constexpr std::uint32_t kSmallestBlock = 256;
inline constexpr std::uint32_t kLargestBlock = 16384;

[[nodiscard]] constexpr bool is_block_size(std::uint32_t bytes) {
  return kSmallestBlock <= bytes && bytes <= kLargestBlock;
}

// The block size at which sums and what is sent around a change cost about the same, for `bytes` of content.
[[nodiscard]] std::uint32_t block_size_for(std::size_t bytes);

// The sums of all blocks of `basis`, the last one may be shorter.
[[nodiscard]] std::string block_sums(std::string_view basis, std::uint32_t block);

// How to make `content` of what the sums stand for.  Throws Protocol for sums that end in the middle of one.
[[nodiscard]] std::string make_delta(std::string_view sums, std::uint32_t block, std::string_view content);

// Exactly `bytes` bytes, made of `basis` as the delta says.  Throws Protocol for a delta that is broken, that
// copies from outside the basis, or whose result has another length; never writes more than `bytes`.
[[nodiscard]] std::string apply_delta(std::string_view basis, std::string_view delta, std::size_t bytes);

}  // namespace bk
