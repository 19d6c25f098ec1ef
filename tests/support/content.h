// Content for the trees of tests.
#pragma once

#include "common/io/file.h"

#include <fcntl.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <string_view>

namespace bk::test {

// Bytes that no compression makes shorter; the same for the same seed.
[[nodiscard]] inline std::string noise(std::size_t size, std::uint32_t seed = 1) {
  std::mt19937_64 random(seed);
  std::string bytes(size, '\0');
  for (std::size_t at = 0; at < size; at += sizeof(std::uint64_t)) {
    const std::uint64_t word = random();
    std::memcpy(bytes.data() + at, &word, std::min(size - at, sizeof word));
  }
  return bytes;
}

// The file, made or made anew in place; nothing is synced.
inline void put(const std::string& path, std::string_view bytes) {
  const Fd fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  write_all(fd.get(), bytes);
}

}  // namespace bk::test
