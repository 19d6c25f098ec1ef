// What a snapshot lacks: what the client's cmd could not read of its source, and what the pull could not.
// Pure.
#pragma once

#include "proto/request/request.h"

#include <cstdint>
#include <string>
#include <vector>

namespace bk::server {

struct Skips {
  std::uint64_t count = 0;         // of all
  std::vector<std::string> shown;  // "<reason> <percent path>"
};

// The source's own entries first.  Counts come from clients: a sum that would pass kMostSkips is kMostSkips.
inline constexpr std::uint64_t kMostSkips = 1ULL << 62U;
[[nodiscard]] Skips all_skips(const proto::Request& request, Skips pulled);

}  // namespace bk::server
