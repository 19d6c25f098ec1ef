// A counted row of bits, as answers carry them: bit i answers item i.
#pragma once

#include "proto/pull/payload.h"

#include <cstddef>
#include <string>

namespace bk::pull {

class Bitmap {
 public:
  Bitmap() = default;
  explicit Bitmap(std::size_t size) : size_(size), bytes_((size + 7) / 8, '\0') {}
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool test(std::size_t i) const {
    return ((static_cast<unsigned char>(bytes_[i / 8]) >> (i % 8)) & 1U) != 0;
  }
  void set(std::size_t i) {
    bytes_[i / 8] = static_cast<char>(static_cast<unsigned char>(bytes_[i / 8]) | (1U << (i % 8)));
  }
  void push_back(bool bit) {
    if (size_ % 8 == 0) bytes_.push_back('\0');
    ++size_;
    if (bit) set(size_ - 1);
  }
  [[nodiscard]] std::size_t count() const;
  [[nodiscard]] bool all() const { return count() == size_; }
  bool operator==(const Bitmap&) const = default;

  void write(PayloadWriter& out) const;
  // Throws Protocol for more than `limit` bits or a set bit behind the last.
  [[nodiscard]] static Bitmap read(PayloadReader& in, std::size_t limit);

 private:
  std::size_t size_ = 0;
  std::string bytes_;
};

}  // namespace bk::pull
