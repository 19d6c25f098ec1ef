// The bytes inside one frame: varints, byte strings, times.  Pure; limits are checked before anything is
// allocated.
//
// Numbers are LEB128 varints in their shortest form; signed ones are zigzag.  A reader that meets anything
// else throws Protocol with the message's name.
#pragma once

#include "common/chunk/chunk_id.h"
#include "common/time/time.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace bk::pull {

class PayloadWriter {
 public:
  PayloadWriter& u8(std::uint8_t value);
  PayloadWriter& varint(std::uint64_t value);
  PayloadWriter& zigzag(std::int64_t value);
  PayloadWriter& bytes(std::string_view value);  // length, then the bytes
  PayloadWriter& raw(std::string_view value);
  PayloadWriter& digest(const Digest& value) { return raw(value.view()); }
  PayloadWriter& time(const Timestamp& value);
  [[nodiscard]] std::size_t size() const { return out_.size(); }
  [[nodiscard]] std::string take() { return std::move(out_); }
  [[nodiscard]] const std::string& view() const { return out_; }

 private:
  std::string out_;
};

class PayloadReader {
 public:
  // `what` names the message in errors; both arguments must outlive the reader.
  PayloadReader(std::string_view payload, const char* what) : rest_(payload), what_(what) {}
  [[nodiscard]] std::uint8_t u8();
  [[nodiscard]] std::uint64_t varint();
  // As varint, but more than `limit` throws.
  [[nodiscard]] std::uint64_t varint_to(std::uint64_t limit);
  [[nodiscard]] std::uint32_t u32() { return static_cast<std::uint32_t>(varint_to(0xffffffffU)); }
  [[nodiscard]] bool boolean();
  [[nodiscard]] std::int64_t zigzag();
  [[nodiscard]] std::string_view bytes(std::size_t limit);
  [[nodiscard]] std::string_view raw(std::size_t size);
  [[nodiscard]] Digest digest() { return Digest::from_bytes(raw(32)); }
  [[nodiscard]] Timestamp time();
  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  [[nodiscard]] std::size_t left() const { return rest_.size(); }
  void expect_end() const;
  [[noreturn]] void fail(std::string_view why) const;

 private:
  std::string_view rest_;
  const char* what_;
};

}  // namespace bk::pull
