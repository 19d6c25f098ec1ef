// SHA-256 (FIPS 180-4) of many pieces at once, sixteen side by side in the lanes of AVX-512 registers, as
// Gueron and Krasnov describe it ("Simultaneous hashing of multiple messages", 2012).
//
// OpenSSL hashes one piece after the other, and what it waits for there is its own last round.  Sixteen
// pieces that do not wait for each other take half of the time that the processor's SHA instructions need.
#pragma once

#include "common/digest/sha256.h"

#include <span>
#include <string_view>

namespace bk {

// A byte and what stands behind it, hashed as if both stood together.
struct PrefixedBytes {
  char prefix = 0;
  std::string_view bytes;
};

// out[i] is the digest of pieces[i]; both are equally long.  Best with pieces of like size, and at least a
// few dozen of them: one lane is slow.  Few pieces are left to OpenSSL.
void sha256_many(std::span<const PrefixedBytes> pieces, std::span<Digest> out);

// The two ways.  In lanes only where the processor has AVX-512 (F and BW), else one by one.
void sha256_one_by_one(std::span<const PrefixedBytes> pieces, std::span<Digest> out);
void sha256_in_lanes(std::span<const PrefixedBytes> pieces, std::span<Digest> out);

}  // namespace bk
