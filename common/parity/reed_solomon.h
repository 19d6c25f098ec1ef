// Parity blocks that bring lost blocks back: Reed-Solomon over GF(2^8) with a Cauchy matrix, by ISA-L.
//
// `data` blocks and `parity` blocks of one length make a stripe; any `parity` of them may be lost as long as
// one knows which (erasures).  Plank, "A Tutorial on Reed-Solomon Coding", and ISA-L's erasure_code.h.
//
// Errors: Usage (impossible numbers of blocks).  Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace bk {

// CRC-64/XZ: finds out which blocks are damaged.  No protection against whoever wants to deceive.
[[nodiscard]] std::uint64_t crc64(std::string_view bytes) noexcept;

class ReedSolomon {
 public:
  static constexpr std::size_t kMaxBlocks = 255;  // of a stripe
  // 1 or more of each, kMaxBlocks together.
  ReedSolomon(std::size_t data, std::size_t parity);
  [[nodiscard]] std::size_t data() const { return data_; }
  [[nodiscard]] std::size_t parity() const { return parity_; }

  // Fills the parity blocks of a stripe; all blocks have `bytes` bytes.
  void encode(std::span<const char* const> data, std::span<char* const> parity, std::size_t bytes) const;
  // `blocks` are data() data blocks and then parity() parity blocks; `missing` are positions of those whose
  // bytes are unknown, increasing.  Fills the missing *data* blocks.  False, and nothing is written, when
  // more are missing than there is parity.
  [[nodiscard]] bool recover(std::span<char* const> blocks, std::span<const std::size_t> missing,
                             std::size_t bytes) const;

 private:
  std::size_t data_, parity_;
  std::vector<unsigned char> matrix_;  // (data + parity) x data; the upper part is the identity
  std::vector<unsigned char> tables_;  // of the lower part
};

}  // namespace bk
