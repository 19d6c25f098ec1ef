#include "proto/pull/bitmap.h"

#include <bit>

namespace bk::pull {

std::size_t Bitmap::count() const {
  std::size_t set_bits = 0;
  for (const char c : bytes_)
    set_bits += static_cast<std::size_t>(std::popcount(static_cast<unsigned char>(c)));
  return set_bits;
}

void Bitmap::write(PayloadWriter& out) const {
  out.varint(size_);
  out.raw(bytes_);
}

Bitmap Bitmap::read(PayloadReader& in, std::size_t limit) {
  Bitmap map;
  map.size_ = static_cast<std::size_t>(in.varint_to(limit));
  map.bytes_ = in.raw((map.size_ + 7) / 8);
  if (map.size_ % 8 != 0 && (static_cast<unsigned char>(map.bytes_.back()) >> (map.size_ % 8)) != 0) {
    in.fail("a bit behind the last one is set");
  }
  return map;
}

}  // namespace bk::pull
