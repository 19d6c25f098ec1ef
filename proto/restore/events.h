// What stands in the body of an Entries frame.  Internal to proto/restore.
#pragma once

#include <cstdint>

namespace bk::restore {

enum class Event : std::uint8_t {
  Enter = 1,
  Leave = 2,
  File = 3,
  More = 4,
  Special = 5,
  Link = 6,
  Damaged = 7
};

inline constexpr std::uint64_t kMaxTarget = 65536;
inline constexpr std::uint64_t kMaxLinkPath = 1U << 20U;
inline constexpr std::uint64_t kMaxXattrNumber = 65536;
inline constexpr std::uint64_t kMaxReason = 4096;

}  // namespace bk::restore
