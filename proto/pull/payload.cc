#include "proto/pull/payload.h"

#include "common/error/error.h"

#include <fmt/format.h>

namespace bk::pull {

PayloadWriter& PayloadWriter::u8(std::uint8_t value) {
  out_.push_back(static_cast<char>(value));
  return *this;
}

PayloadWriter& PayloadWriter::varint(std::uint64_t value) {
  while (value >= 0x80) {
    out_.push_back(static_cast<char>(static_cast<std::uint8_t>(value | 0x80)));
    value >>= 7U;
  }
  out_.push_back(static_cast<char>(value));
  return *this;
}

PayloadWriter& PayloadWriter::zigzag(std::int64_t value) {
  const auto bits = static_cast<std::uint64_t>(value);
  return varint((bits << 1U) ^ (value < 0 ? ~std::uint64_t{0} : 0));
}

PayloadWriter& PayloadWriter::bytes(std::string_view value) {
  varint(value.size());
  return raw(value);
}

PayloadWriter& PayloadWriter::raw(std::string_view value) {
  out_.append(value);
  return *this;
}

PayloadWriter& PayloadWriter::time(const Timestamp& value) {
  zigzag(value.seconds);
  return varint(value.nanoseconds);
}

void PayloadReader::fail(std::string_view why) const {
  throw Error(Kind::Protocol, fmt::format("message {}: {}", what_, why));
}

std::uint8_t PayloadReader::u8() {
  if (rest_.empty()) fail("ends too early");
  const auto value = static_cast<std::uint8_t>(rest_.front());
  rest_.remove_prefix(1);
  return value;
}

std::uint64_t PayloadReader::varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const std::uint8_t byte = u8();
    if (shift == 63 && byte > 1) fail("a number is larger than 64 bits");
    value |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
    if ((byte & 0x80U) != 0) continue;
    if (byte == 0 && shift != 0) fail("a number is longer than needed");
    return value;
  }
  fail("a number is larger than 64 bits");
}

std::uint64_t PayloadReader::varint_to(std::uint64_t limit) {
  const std::uint64_t value = varint();
  if (value > limit) fail(fmt::format("{} is more than the limit of {}", value, limit));
  return value;
}

bool PayloadReader::boolean() { return varint_to(1) == 1; }

std::int64_t PayloadReader::zigzag() {
  const std::uint64_t bits = varint();
  return static_cast<std::int64_t>((bits >> 1U) ^ ((bits & 1U) != 0 ? ~std::uint64_t{0} : 0));
}

std::string_view PayloadReader::bytes(std::size_t limit) {
  return raw(static_cast<std::size_t>(varint_to(limit)));
}

std::string_view PayloadReader::raw(std::size_t size) {
  if (size > rest_.size()) fail("ends too early");
  const std::string_view value = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return value;
}

Timestamp PayloadReader::time() {
  Timestamp value;
  value.seconds = zigzag();
  value.nanoseconds = static_cast<std::uint32_t>(varint_to(999'999'999));
  return value;
}

void PayloadReader::expect_end() const {
  if (!rest_.empty()) fail(fmt::format("{} bytes too many", rest_.size()));
}

}  // namespace bk::pull
