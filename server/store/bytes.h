// Little-endian numbers, varints (LEB128) and byte strings, for the store's binary formats.
//
// The reader works on bytes from a disk that may have rotted: everything is checked, and what does not fit
// throws Corrupt before anything is allocated.
#pragma once

#include "common/digest/sha256.h"
#include "common/error/error.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace bk::store {

class ByteWriter {
 public:
  ByteWriter& u8(std::uint64_t v) { return fixed(v, 1); }
  ByteWriter& u16(std::uint64_t v) { return fixed(v, 2); }
  ByteWriter& u32(std::uint64_t v) { return fixed(v, 4); }
  ByteWriter& u64(std::uint64_t v) { return fixed(v, 8); }
  ByteWriter& varint(std::uint64_t v) {
    while (v >= 0x80) {
      out_ += static_cast<char>(v | 0x80U);
      v >>= 7U;
    }
    out_ += static_cast<char>(v);
    return *this;
  }
  // `to` as its distance from `from`, modulo 2^64, small in either direction.
  ByteWriter& delta(std::uint64_t from, std::uint64_t to) {
    const auto d = static_cast<std::int64_t>(to - from);
    return varint(static_cast<std::uint64_t>(d) << 1U ^ static_cast<std::uint64_t>(d >> 63U));
  }
  ByteWriter& raw(std::string_view bytes) {
    out_ += bytes;
    return *this;
  }
  ByteWriter& text(std::string_view bytes) { return varint(bytes.size()).raw(bytes); }
  [[nodiscard]] std::size_t size() const { return out_.size(); }
  [[nodiscard]] const std::string& bytes() const { return out_; }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  ByteWriter& fixed(std::uint64_t v, unsigned count) {
    for (unsigned i = 0; i < count; ++i) out_ += static_cast<char>(v >> (8 * i));
    return *this;
  }
  std::string out_;
};

class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}
  [[nodiscard]] std::uint8_t u8() { return static_cast<std::uint8_t>(fixed(1)); }
  [[nodiscard]] std::uint16_t u16() { return static_cast<std::uint16_t>(fixed(2)); }
  [[nodiscard]] std::uint32_t u32() { return static_cast<std::uint32_t>(fixed(4)); }
  [[nodiscard]] std::uint64_t u64() { return fixed(8); }
  // One spelling only: no varint ends in a zero byte, except zero itself.
  [[nodiscard]] std::uint64_t varint(std::uint64_t high = UINT64_MAX) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const std::uint64_t byte = u8();
      if (shift == 63 && byte > 1) fail("a number is too long");
      value |= (byte & 0x7FU) << shift;
      if (byte >= 0x80) continue;
      if (byte == 0 && shift > 0) fail("a number is not in its shortest form");
      if (value > high) fail("a number is too large");
      return value;
    }
    fail("a number is too long");
  }
  [[nodiscard]] std::uint64_t delta(std::uint64_t from) {
    const std::uint64_t z = varint();
    return from + (z >> 1U ^ (~(z & 1U) + 1));
  }
  [[nodiscard]] std::string_view raw(std::size_t count) {
    if (rest_.size() < count) fail("it is cut short");
    const std::string_view out = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return out;
  }
  [[nodiscard]] std::string_view text(std::size_t high) {
    return raw(static_cast<std::size_t>(varint(high)));
  }
  [[nodiscard]] Digest digest() { return Digest::from_bytes(raw(32)); }
  [[nodiscard]] std::size_t left() const { return rest_.size(); }
  void expect_end() const {
    if (!rest_.empty()) fail("bytes follow its end");
  }
  // A count of things that take at least `each` bytes, so that no count allocates much more than was stored.
  [[nodiscard]] std::size_t count(std::size_t each, std::size_t most = 65536) {
    const std::uint64_t n = varint();
    if (n > rest_.size() / each || n > most) fail("a count exceeds what is there");
    return static_cast<std::size_t>(n);
  }
  [[noreturn]] static void fail(const char* why) { throw Error(Kind::Corrupt, why); }

 private:
  std::uint64_t fixed(unsigned n) {
    const std::string_view b = raw(n);
    std::uint64_t value = 0;
    for (unsigned i = n; i-- > 0;) value = value << 8U | static_cast<unsigned char>(b[i]);
    return value;
  }
  std::string_view rest_;
};

}  // namespace bk::store
