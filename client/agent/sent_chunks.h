// Which chunks the server was told of in this pull, as far as a little memory remembers: nothing is sent
// twice unasked while it does.
#pragma once

#include "common/chunk/chunk_id.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <vector>

namespace bk::agent {

// Half of an id decides, which nobody can forge.  Each has four places; the oldest there is forgotten.
class SentChunks {
 public:
  SentChunks() : sets_(kSets) {}
  // Remembers it; returns whether it was there.
  bool add(const ChunkId& id) {
    std::size_t at = 0;
    std::memcpy(&at, id.bytes.data() + kHalf, sizeof at);
    Set& set = sets_[at % kSets];
    for (const Half& half : set) {
      if (std::memcmp(half.data(), id.bytes.data(), kHalf) == 0) return true;
    }
    std::rotate(set.begin(), set.end() - 1, set.end());
    std::memcpy(set.front().data(), id.bytes.data(), kHalf);
    return false;
  }

 private:
  static constexpr std::size_t kHalf = 16, kSets = 8192;  // 512 KiB for 256 MiB in chunks of 8 KiB
  using Half = std::array<unsigned char, kHalf>;
  using Set = std::array<Half, 4>;
  std::vector<Set> sets_;
};

}  // namespace bk::agent
