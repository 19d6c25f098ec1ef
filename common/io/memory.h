// How much memory this process may use.
#pragma once

#include <cstdint>

namespace bk {

// The machine's, or less where a control group (version 1 or 2) limits it, caches of the kernel included.
// Never throws; what cannot be read does not limit.
[[nodiscard]] std::uint64_t memory_limit_bytes() noexcept;

}  // namespace bk
