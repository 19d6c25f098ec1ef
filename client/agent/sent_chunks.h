// Which chunks the server was told of in this pull, as far as a little memory remembers: nothing is sent
// twice unasked while it does.
#pragma once

#include "common/chunk/chunk_id.h"

#include <array>
#include <cstddef>
#include <cstring>
#include <vector>

namespace bk::agent {

// Half of an id decides, which nobody can forge.  Chunks that fall on the same place forget each other.
class SentChunks {
 public:
  SentChunks() : places_(kPlaces) {}
  // Remembers it; returns whether it was there.
  bool add(const ChunkId& id) {
    std::size_t at = 0;
    std::memcpy(&at, id.bytes.data() + kHalf, sizeof at);
    Half& place = places_[at % kPlaces];
    if (std::memcmp(place.data(), id.bytes.data(), kHalf) == 0) return true;
    std::memcpy(place.data(), id.bytes.data(), kHalf);
    return false;
  }

 private:
  static constexpr std::size_t kHalf = 16, kPlaces = 32768;  // 512 KiB for 512 MiB of content
  using Half = std::array<unsigned char, kHalf>;
  std::vector<Half> places_;
};

}  // namespace bk::agent
