#pragma once

namespace bk {
inline constexpr const char* kVersion = "0.1.0";
}  // namespace bk
