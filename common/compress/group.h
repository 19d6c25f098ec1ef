// A group: about 1 MiB of chunks compressed together as one zstd frame (RFC 8878).
//
// The frame states its content size, carries a checksum, has a window of at most 8 MiB and uses no
// dictionary; a reader refuses anything else *before* it allocates.  A group whose content does not shrink is
// kept raw (codec Raw).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace bk {

enum class Codec : unsigned char { Raw = 0, Zstd = 1 };

inline constexpr std::uint32_t kMaxGroupContent = 8U << 20U;     // decoded bytes in one group, at most
inline constexpr std::uint32_t kTargetGroupContent = 1U << 20U;  // writers aim for this

struct EncodedGroup {
  Codec codec = Codec::Raw;
  std::string bytes;                // as stored and as sent
  std::uint32_t content_bytes = 0;  // decoded length
};

// Reusable compression state; one thread at a time.
class GroupEncoder {
 public:
  explicit GroupEncoder(int level = 3);
  ~GroupEncoder();
  [[nodiscard]] EncodedGroup encode(std::string_view content);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class GroupDecoder {
 public:
  GroupDecoder();
  ~GroupDecoder();
  // Exactly `content_bytes` bytes, or throws Corrupt (bad frame, other size, no checksum, window too large,
  // dictionary).
  // `reused`: a string that is not needed any more, whose memory the result takes.
  [[nodiscard]] std::string decode(Codec codec, std::string_view bytes, std::uint32_t content_bytes,
                                   std::string reused = {});
  // The first `front` bytes of it (at most content_bytes), without decoding the rest; throws as decode()
  // does. The frame's checksum is at its end and not looked at: whoever asks compares identities.
  [[nodiscard]] std::string decode_front(Codec codec, std::string_view bytes, std::uint32_t content_bytes,
                                         std::uint32_t front, std::string reused = {});
  // The same without a new string each time: the result lies in `buffer`, which only grows, or in the group.
  [[nodiscard]] std::string_view decode_into(const EncodedGroup& group, std::string& buffer);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bk
