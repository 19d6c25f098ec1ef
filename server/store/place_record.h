// Places as byte records that sort as they lie on the disk (common/spill/sorter.h); internal to server/store.
#pragma once

#include "server/store/location.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace bk::store {

// Most significant byte first.
[[nodiscard]] inline std::string big_endian(std::uint64_t value, unsigned bytes = 8) {
  std::string out;
  while (bytes-- > 0) out += static_cast<char>(value >> (8 * bytes));
  return out;
}
[[nodiscard]] inline std::uint64_t from_big_endian(std::string_view bytes) {
  std::uint64_t out = 0;
  for (const char c : bytes) out = out << 8U | static_cast<unsigned char>(c);
  return out;
}

inline constexpr std::size_t kGroupRecordBytes = 12;  // of a place record: what all chunks of a group share

[[nodiscard]] inline std::string place_record(const Location& where) {
  return big_endian(where.pack) + big_endian(where.offset, 4) + big_endian(where.position, 2);
}
// The kind of the chunk is not in it.
[[nodiscard]] inline Location place_of(std::string_view record) {
  return {from_big_endian(record.substr(0, 8)),
          static_cast<std::uint32_t>(from_big_endian(record.substr(8, 4))),
          static_cast<std::uint16_t>(from_big_endian(record.substr(12, 2)))};
}

}  // namespace bk::store
