// Frames: the outermost layer of the tree protocol (docs/protocol/pull.md).
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

namespace bk::pull {

// Server to agent below 0x40, agent to server from 0x40.  By feature: 0x10-0x1f and 0x50-0x5f stripes,
// 0x20-0x2f and 0x60-0x6f windows of changed large files.
enum class FrameType : std::uint8_t {
  Hello = 0x01,
  Open = 0x02,
  Verdicts = 0x03,
  Wants = 0x04,
  Need = 0x05,
  Heartbeat = 0x06,
  Continue = 0x07,
  Stripes = 0x10,
  Go = 0x11,
  OldFiles = 0x20,
  OldContent = 0x21,
  Signatures = 0x22,
  AgentHello = 0x41,
  Opened = 0x42,
  Refused = 0x43,
  Enter = 0x44,
  Leave = 0x45,
  Entries = 0x46,
  Recipe = 0x47,
  Group = 0x48,
  Skipped = 0x49,
  KeepAlive = 0x4a,
  Done = 0x4b,
  Fail = 0x4c,
  Tickets = 0x50,
  Joined = 0x51,
  StripeEnd = 0x52,
  Delta = 0x60,
};

[[nodiscard]] const char* frame_name(FrameType type);
// Largest payload of that type; nothing for a type this version does not know.
[[nodiscard]] std::optional<std::uint32_t> frame_limit(std::uint8_t type);

inline constexpr std::size_t kFrameHeaderBytes = 5;

// Header and payload, appended to `out`.  The payload must keep the type's limit (our own bug otherwise).
void append_frame(std::string& out, FrameType type, std::string_view payload);

struct Frame {
  FrameType type{};
  std::string payload;
};

// Cuts a byte stream into frames.  feed() any pieces; next() gives nothing until a whole frame is there.
// An unknown type or a length above its limit throws Protocol at once.
class FrameDecoder {
 public:
  void feed(std::string_view bytes);
  [[nodiscard]] std::optional<Frame> next();
  // True when no part of a frame is waiting: the only place where a stream may end.
  [[nodiscard]] bool empty() const { return begin_ == buffer_.size(); }

 private:
  std::string buffer_;
  std::size_t begin_ = 0;  // of the first byte not yet handed out
};

}  // namespace bk::pull
