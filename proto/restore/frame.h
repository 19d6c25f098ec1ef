// Frames of the restore stream (docs/protocol/restore.md).
//
//   u32 little-endian length of the payload | u8 type | payload
//
// Each type has its own limit, checked when the five bytes of the header are there and before the payload is
// collected.  Pure: bytes in, frames out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bk::restore {

enum class FrameType : std::uint8_t {
  Ask = 0x01,
  Keep = 0x02,
  Hello = 0x41,
  Text = 0x42,
  Tree = 0x43,
  Entries = 0x44,
  Group = 0x45,
  Window = 0x46,
  TreeEnd = 0x47,
  Finding = 0x48,
  Done = 0x49,
  Fail = 0x4a,
  Offer = 0x4b,
};

[[nodiscard]] const char* frame_name(FrameType type);
// Largest payload of that type; nothing for a type this version does not know.
[[nodiscard]] std::optional<std::uint32_t> frame_limit(std::uint8_t type);

inline constexpr std::size_t kFrameHeaderBytes = 5;
[[nodiscard]] std::string frame_header(FrameType type, std::size_t payload_bytes);

struct Frame {
  FrameType type{};
  std::string payload;
};

// Cuts a byte stream into frames.  An unknown type or a length above its limit throws Protocol at once.
class FrameDecoder {
 public:
  void feed(std::string_view bytes);
  [[nodiscard]] std::optional<Frame> next();
  // True when no part of a frame is waiting: the only place where a stream may end.
  [[nodiscard]] bool empty() const { return have_ == 0 && waiting_.empty(); }

 private:
  void take_header();
  std::string waiting_;    // fed and not looked at
  std::size_t begin_ = 0;  // in waiting_
  unsigned char header_[kFrameHeaderBytes] = {};
  std::size_t have_ = 0;    // bytes of the header
  std::size_t length_ = 0;  // of the payload, when the header is whole
  std::string payload_;
};

}  // namespace bk::restore
