// Keys and values of the index.
#pragma once

#include "server/store/domain.h"

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string_view>

namespace bk::store {

// The first half of a StoredId.  128 bits are enough to *find* a chunk; what is found is then compared with
// the whole identity, so two chunks that share a key cost a second look and never a wrong answer.
struct Key {
  std::array<std::uint8_t, 16> bytes{};
  auto operator<=>(const Key&) const = default;
};
[[nodiscard]] inline Key key_of(const StoredId& id) {
  Key key;
  std::memcpy(key.bytes.data(), id.digest.bytes.data(), key.bytes.size());
  return key;
}
[[nodiscard]] inline Key key_of(const StoreId& store, const ChunkId& plain) {
  return key_of(store.stored(plain));
}

[[nodiscard]] inline std::string_view bytes_of(const Key& key) {
  return {reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size()};
}
[[nodiscard]] inline Key key_from(std::string_view bytes) {  // at least 16
  Key key;
  std::memcpy(key.bytes.data(), bytes.data(), key.bytes.size());
  return key;
}

struct Location {
  std::uint64_t pack = 0;      // number of a pack or journal
  std::uint32_t offset = 0;    // of the group's record
  std::uint16_t position = 0;  // of the chunk in the group's table
  ObjectKind kind = ObjectKind::Data;
  auto operator<=>(const Location&) const = default;
};

struct IndexEntry {
  Key key;
  Location where;
  auto operator<=>(const IndexEntry&) const = default;
};

}  // namespace bk::store

template <>
struct std::hash<bk::store::Key> {
  std::size_t operator()(const bk::store::Key& k) const noexcept {
    std::size_t value = 0;
    std::memcpy(&value, k.bytes.data() + 8, sizeof value);  // already uniform
    return value;
  }
};
