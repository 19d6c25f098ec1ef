#include "proto/pull/old_position.h"

#include "proto/pull/messages.h"

#include <algorithm>

namespace bk::pull {

namespace {

std::uint64_t first_bytes(const Digest& digest) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < 8; ++i) value |= static_cast<std::uint64_t>(digest.bytes[i]) << (8 * i);
  return value;
}

}  // namespace

void OldPosition::kept(std::uint64_t first, std::uint64_t count) {
  next_ = first + count;
  strayed_ = 0;
  follow(count);
}

void OldPosition::fresh() {
  ++strayed_;
  follow(1);
}

void OldPosition::follow(std::uint64_t chunks) {
  const std::uint64_t wanted = expected() > kOldBehind ? expected() - kOldBehind : 0;
  if (wanted > base_) base_ = std::min(wanted, base_ + kOldStep * chunks);
}

std::uint64_t old_id(std::string_view salt, const ChunkId& id) {
  thread_local Sha256 hash;
  return first_bytes(hash.update(salt).update(id.view()).finish()) & ((std::uint64_t{1} << kOldIdBits) - 1);
}

std::uint64_t ChunkSum::finish() { return first_bytes(hash_.finish()); }

}  // namespace bk::pull
