// Finds what of the new content the sums of the old one speak of, and says so in librsync's delta format.
// Internal to common/delta.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace bk {

// librsync's RabinKarp: a polynomial of the bytes, modulo 2^32, whose first coefficient is a seed.
class RollingSum {
 public:
  explicit RollingSum(std::size_t window);
  // Of `window` bytes.
  [[nodiscard]] std::uint32_t of(const unsigned char* bytes) const { return of(bytes, window_); }
  [[nodiscard]] static std::uint32_t of(const unsigned char* bytes, std::size_t count);
  // The sum one byte further.
  [[nodiscard]] std::uint32_t roll(std::uint32_t sum, unsigned char out, unsigned char in) const {
    return sum * kFactor + in - top_ * (out + kFactor - 1);
  }

  // Of a piece that grows at its front.
  class Growing {
   public:
    void prepend(unsigned char byte) {
      rest_ += power_ * byte;
      power_ *= kFactor;
      ++bytes_;
    }
    [[nodiscard]] std::uint32_t value() const { return power_ + rest_; }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }

   private:
    std::uint32_t power_ = 1, rest_ = 0;
    std::size_t bytes_ = 0;
  };

 private:
  static constexpr std::uint32_t kFactor = 0x08104225U;
  std::size_t window_;
  std::uint32_t top_;  // kFactor to the power of the window
};

// librsync finds the same, at five times the cost: it looks each position up in a table of structures.
// `sums` is a whole number of them.  Never throws for what sums say.
[[nodiscard]] std::string search_delta(std::string_view sums, std::uint32_t block, std::string_view content);

}  // namespace bk
