// A byte stream cut into frames, fed in two different ways: both must give the same frames or the same
// refusal.
#include "common/error/error.h"
#include "proto/pull/frame.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace {

std::string frames_of(std::string_view stream, std::size_t piece) {
  std::string seen;
  bk::pull::FrameDecoder decoder;
  try {
    while (!stream.empty()) {
      decoder.feed(stream.substr(0, piece));
      stream.remove_prefix(std::min(piece, stream.size()));
      while (auto frame = decoder.next()) {
        seen += std::string(bk::pull::frame_name(frame->type)) + ":" + std::to_string(frame->payload.size()) +
                ";";
      }
    }
    return seen + (decoder.empty() ? "end" : "cut");
  } catch (const bk::Error&) {
    return seen + "refused";
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view stream(reinterpret_cast<const char*>(data), size);
  if (frames_of(stream, 1 + size % 7) != frames_of(stream, size + 1)) __builtin_trap();
  return 0;
}
