#include "common/compress/group.h"

#include "common/error/error.h"
#include "common/handle/handle.h"

#include <zstd.h>

#include <algorithm>
#include <new>
#include <utility>

namespace bk {
namespace {

constexpr int kMaxWindowLog = 23;  // 8 MiB
constexpr std::uint32_t kFrameMagic = 0xFD2FB528U;

[[noreturn]] void corrupt(const char* why) {
  throw Error(Kind::Corrupt, std::string("decoding a group: ") + why);
}

std::uint64_t little_endian(std::string_view bytes, std::size_t at, std::size_t count) {
  if (bytes.size() < at + count) corrupt("the frame header is cut short");
  std::uint64_t value = 0;
  for (std::size_t i = count; i-- > 0;) value = value << 8U | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

std::uint64_t window_of(unsigned descriptor) {
  const unsigned log = 10 + (descriptor >> 3U);
  if (log > kMaxWindowLog) corrupt("the frame's window is too large");
  const std::uint64_t base = std::uint64_t{1} << log;
  return base + base / 8 * (descriptor & 7U);
}

// The frame header of RFC 8878 section 3.1.1.1, read here and not by the library: nothing may be allocated
// for a frame that we would refuse.
void require_plain_frame(std::string_view bytes, std::uint32_t content_bytes) {
  if (little_endian(bytes, 0, 4) != kFrameMagic) corrupt("not a zstd frame");
  const auto flags = static_cast<unsigned>(little_endian(bytes, 4, 1));
  const bool single_segment = (flags & 0x20U) != 0;
  if ((flags & 0x18U) != 0) corrupt("the frame uses reserved bits");
  if ((flags & 0x04U) == 0) corrupt("the frame has no checksum");
  if ((flags & 0x03U) != 0) corrupt("the frame needs a dictionary");
  std::size_t at = 5;
  if (!single_segment) {
    if (window_of(static_cast<unsigned>(little_endian(bytes, at, 1))) > kMaxGroupContent)
      corrupt("the frame's window is too large");
    ++at;
  }
  const unsigned size_code = flags >> 6U;
  if (size_code == 0 && !single_segment) corrupt("the frame does not state its content size");
  const std::size_t width = std::size_t{1} << size_code;
  const std::uint64_t stated = little_endian(bytes, at, width) + (size_code == 1 ? 256 : 0);
  if (stated != content_bytes) corrupt("the frame states another content size");
}

// Everything that can be known before decoding.
void check_group(Codec codec, std::string_view bytes, std::uint32_t content_bytes) {
  if (content_bytes > kMaxGroupContent) corrupt("the content is longer than a group may be");
  if (codec == Codec::Raw) {
    if (bytes.size() != content_bytes) corrupt("the length of raw content differs");
    return;
  }
  if (codec != Codec::Zstd) corrupt("unknown codec");
  require_plain_frame(bytes, content_bytes);
  // Exactly one frame and nothing behind it (this also walks the block headers).
  if (ZSTD_findFrameCompressedSize(bytes.data(), bytes.size()) != bytes.size())
    corrupt("not exactly one whole frame");
}

}  // namespace

struct GroupEncoder::Impl {
  Handle<ZSTD_CCtx, ZSTD_freeCCtx> context{ZSTD_createCCtx()};
  // Where frames are made: neither cleared nor allocated anew for each, which cost a tenth of compressing.
  std::unique_ptr<char[]> room;
  std::size_t room_bytes = 0;

  char* reserve(std::size_t bytes) {
    if (room_bytes < bytes) {
      room.reset();
      room.reset(new char[bytes]);
      room_bytes = bytes;
    }
    return room.get();
  }
};

GroupEncoder::GroupEncoder(int level) : impl_(std::make_unique<Impl>()) {
  ZSTD_CCtx* const c = impl_->context.get();
  if (c == nullptr) throw std::bad_alloc();
  const auto set = [c](ZSTD_cParameter parameter, int value) {
    BK_CHECK(!ZSTD_isError(ZSTD_CCtx_setParameter(c, parameter, value)));
  };
  set(ZSTD_c_compressionLevel, level);
  set(ZSTD_c_contentSizeFlag, 1);
  set(ZSTD_c_checksumFlag, 1);
  set(ZSTD_c_dictIDFlag, 0);
}
GroupEncoder::~GroupEncoder() = default;

EncodedGroup GroupEncoder::encode(std::string_view content) {
  BK_CHECK(content.size() <= kMaxGroupContent);
  EncodedGroup out;
  out.content_bytes = static_cast<std::uint32_t>(content.size());
  const std::size_t most = ZSTD_compressBound(content.size());
  char* const room = impl_->reserve(most);
  const std::size_t size = ZSTD_compress2(impl_->context.get(), room, most, content.data(), content.size());
  BK_CHECK(!ZSTD_isError(size));  // the destination is large enough and all parameters were accepted
  if (size >= content.size()) {
    out.bytes.assign(content);
    return out;
  }
  out.codec = Codec::Zstd;
  out.bytes.assign(room, size);
  return out;
}

struct GroupDecoder::Impl {
  Handle<ZSTD_DCtx, ZSTD_freeDCtx> context{ZSTD_createDCtx()};

  void decode(std::string_view bytes, char* content, std::size_t content_bytes) const {
    const std::size_t size =
        ZSTD_decompressDCtx(context.get(), content, content_bytes, bytes.data(), bytes.size());
    if (ZSTD_isError(size)) corrupt(ZSTD_getErrorName(size));
    if (size != content_bytes) corrupt("the content is shorter than stated");
  }
};

GroupDecoder::GroupDecoder() : impl_(std::make_unique<Impl>()) {
  if (!impl_->context) throw std::bad_alloc();
}
GroupDecoder::~GroupDecoder() = default;

std::string GroupDecoder::decode(Codec codec, std::string_view bytes, std::uint32_t content_bytes,
                                 std::string reused) {
  check_group(codec, bytes, content_bytes);
  if (codec == Codec::Raw) return std::string(bytes);
  std::string content = std::move(reused);
  content.resize(content_bytes);
  impl_->decode(bytes, content.data(), content_bytes);
  return content;
}

std::string_view GroupDecoder::decode_into(const EncodedGroup& group, std::string& buffer) {
  check_group(group.codec, group.bytes, group.content_bytes);
  if (group.codec == Codec::Raw) return group.bytes;
  if (buffer.size() < group.content_bytes) buffer.resize(group.content_bytes);
  impl_->decode(group.bytes, buffer.data(), group.content_bytes);
  return {buffer.data(), group.content_bytes};
}

std::string GroupDecoder::decode_front(Codec codec, std::string_view bytes, std::uint32_t content_bytes,
                                       std::uint32_t front, std::string reused) {
  if (front >= content_bytes || codec != Codec::Zstd) {
    std::string content = decode(codec, bytes, content_bytes, std::move(reused));
    content.resize(std::min<std::size_t>(content.size(), front));
    return content;
  }
  if (content_bytes > kMaxGroupContent) corrupt("the content is longer than a group may be");
  require_plain_frame(bytes, content_bytes);
  std::string content = std::move(reused);
  content.resize(front);
  ZSTD_DCtx* const context = impl_->context.get();
  (void)ZSTD_DCtx_reset(context, ZSTD_reset_session_only);
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  ZSTD_outBuffer out{content.data(), content.size(), 0};
  while (out.pos < out.size) {
    const std::size_t before_in = in.pos, before_out = out.pos;
    const std::size_t result = ZSTD_decompressStream(context, &out, &in);
    if (ZSTD_isError(result)) corrupt(ZSTD_getErrorName(result));
    if (in.pos == before_in && out.pos == before_out) corrupt("the content is shorter than stated");
  }
  (void)ZSTD_DCtx_reset(context, ZSTD_reset_session_only);
  return content;
}

}  // namespace bk
