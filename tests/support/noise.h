// Bytes that do not compress, the same on every machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace bk::test {

// xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators", 2016).
inline std::string noise(std::size_t size, std::uint64_t seed) {
  std::string out(size, '\0');
  for (char& c : out) {
    seed ^= seed >> 12U;
    seed ^= seed << 25U;
    seed ^= seed >> 27U;
    c = static_cast<char>((seed * 0x2545F4914F6CDD1DU) >> 56U);
  }
  return out;
}

}  // namespace bk::test
