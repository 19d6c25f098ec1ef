// One message of the tree protocol: a type byte, then its payload.  What decodes must encode to the same
// bytes.
#include "common/error/error.h"
#include "tests/support/pull_samples.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view payload(reinterpret_cast<const char*>(data + 1), size - 1);
  const auto type = static_cast<bk::pull::FrameType>(data[0]);
  try {
    const std::string again = bk::test::recode(type, payload);
    const bool greeting = type == bk::pull::FrameType::Hello || type == bk::pull::FrameType::AgentHello;
    if (!greeting && again != payload) __builtin_trap();  // a later version's greeting may say more
  } catch (const bk::Error& error) {
    if (error.kind() != bk::Kind::Protocol) __builtin_trap();
  }
  return 0;
}
