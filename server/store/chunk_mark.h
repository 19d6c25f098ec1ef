// A chunk in 64 bits, to compare what packs hold with what trees name: two sorted files of a billion marks
// are a few gigabytes, and no look-up is needed.
//
// Multiply-add with random factors of this process (Dietzfelbinger, "Universal hashing and k-wise
// independent random variables via integer arithmetic without primes", 1996): nobody can choose chunks whose
// marks are equal, and among a billion a given wrong one is taken for good once in 10^10 runs.
#pragma once

#include "common/random/random.h"
#include "server/store/location.h"

#include <cstring>

namespace bk::store {

class ChunkMarker {
 public:
  __extension__ using Factor = unsigned __int128;
  ChunkMarker() {
    const std::string bytes = SystemRandom().bytes(sizeof factors_);
    std::memcpy(factors_, bytes.data(), sizeof factors_);
  }
  [[nodiscard]] std::uint64_t mark(ObjectKind kind, const StoredId& id) const {
    std::uint64_t words[2];
    std::memcpy(words, id.digest.bytes.data(), sizeof words);
    const Factor sum = words[0] * factor(0) + words[1] * factor(1) +
                       static_cast<std::uint64_t>(kind) * factor(2) + factor(3);
    return static_cast<std::uint64_t>(sum >> 64U);
  }

 private:
  [[nodiscard]] Factor factor(std::size_t i) const {
    return Factor{factors_[2 * i]} << 64U | factors_[2 * i + 1];
  }
  std::uint64_t factors_[8];
};

}  // namespace bk::store
