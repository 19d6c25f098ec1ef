// How far a pull is.
#pragma once

#include <cstdint>

namespace bk::pull {

struct PullProgress {
  std::uint64_t files = 0;           // read to their end
  std::uint64_t directories = 0;     // finished, also those that were as before
  std::uint64_t bytes = 0;           // of content, as the files have it; holes count
  std::uint64_t received_bytes = 0;  // on the wire
  std::uint64_t stored_bytes = 0;    // new in the store
  bool operator==(const PullProgress&) const = default;
};

}  // namespace bk::pull
