// Differences by librsync, with one side hostile: a delta from the agent against bytes of the server's, and
// sums from the server against bytes of the agent's.  First byte: which; the result is exact, or Protocol.
#include "common/delta/delta.h"
#include "common/error/error.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace {

std::string sample() {
  std::string bytes;
  for (std::uint32_t x = 1; bytes.size() < 6000; x = x * 1664525U + 1013904223U)
    bytes.push_back(static_cast<char>(x >> 24U));
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string ours = sample();
  if (size < 2) return 0;
  const std::string_view theirs(reinterpret_cast<const char*>(data + 2), size - 2);
  try {
    if (data[0] % 2 == 0) {
      const std::size_t bytes = std::size_t{data[1]} * 32;
      if (bk::apply_delta(ours, theirs, bytes).size() != bytes) __builtin_trap();
    } else {
      const std::uint32_t block = bk::kSmallestBlock + std::uint32_t{data[1]} * 16;
      const std::string delta = bk::make_delta(theirs, block, ours);
      if (theirs.empty() && bk::apply_delta("", delta, ours.size()) != ours) __builtin_trap();
    }
  } catch (const bk::Error& error) {
    if (error.kind() != bk::Kind::Protocol) __builtin_trap();
  }
  return 0;
}
