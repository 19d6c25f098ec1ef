// The identity of a stored object: what kind it is, and a digest over kind and content.
//
//   id = SHA-256( kind byte || content )            algorithm 1, key domain 0 (plain)
//
// The kind is inside the digest, so a store can never serve one kind as another.  Algorithm and key domain
// stand once in the header of what holds ids (store header, group, pull hello), not in each id: within one
// domain 32 bytes are enough, and keyed domains (HMAC) cannot collide with plain ones.  Specification:
// docs/formats/store.md.
#pragma once

#include "common/digest/sha256.h"

#include <span>
#include <string_view>
#include <vector>

namespace bk {

enum class ObjectKind : unsigned char {
  Data = 'D',  // a piece of file content
  List = 'L',  // a long chunk list of one file
  Tree = 'T',  // a page or inner node of a directory
};

using ChunkId = Digest;

[[nodiscard]] constexpr bool is_object_kind(unsigned char byte) {
  return byte == 'D' || byte == 'L' || byte == 'T';
}

// One pass over the content.  Any thread.
[[nodiscard]] ChunkId chunk_id(ObjectKind kind, std::string_view content);

struct ObjectContent {
  ObjectKind kind = ObjectKind::Data;
  std::string_view content;
};
// The same for many at once, in their order: from a dozen on in half of the time
// (common/digest/sha256_lanes).
[[nodiscard]] std::vector<ChunkId> chunk_ids(std::span<const ObjectContent> objects);

// The longest content of one object, of any kind: a reader refuses more before it allocates.
inline constexpr unsigned kMaxObjectBytes = 4U << 20U;

inline constexpr unsigned char kIdAlgorithmSha256 = 1;
inline constexpr unsigned short kDomainPlain = 0;
inline constexpr unsigned short kDomainKeyed = 1;  // stored ids are HMACs of plain ones (server/store)

}  // namespace bk
