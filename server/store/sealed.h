// Sealed objects: content that only the holder of a private key reads (docs/formats/store.md, Sealed
// sources).
//
// A plain object, whose id is `plain`, becomes an ordinary object of another content and so of another id,
// which everybody can hash, copy, mark and remove without a key.  A sealed node has its references (to other
// sealed objects) in front of what is sealed.  What is sealed is the plain object itself, with plain ids
// inside: so whoever opens it checks it as he checks any object.  The same object is sealed into the same
// bytes under the same key, so that what did not change is stored once; who has the identity key can say
// whether an object is a content that he knows, and read none that he does not.
//
// One thread.
#pragma once

#include "common/chunk/chunk_id.h"
#include "common/compress/group.h"
#include "common/crypt/crypt.h"
#include "server/store/node.h"
#include "server/store/snapshot.h"

#include <string>
#include <string_view>

namespace bk::store {

class ObjectSealer {
 public:
  explicit ObjectSealer(const SecretKey& identity) : identity_(identity) {}
  // The sealed object: `front` (of a node; else empty), then what hides `object`.
  [[nodiscard]] std::string seal(const ChunkId& plain, std::string_view front, std::string_view object);
  // The object, compared with its plain id; throws Corrupt when it is not that one, or not of this key.
  [[nodiscard]] std::string open(ObjectKind kind, const ChunkId& plain, std::string_view sealed);

 private:
  SecretKey identity_;
  GroupEncoder encoder_;
  GroupDecoder decoder_;
};

// What the sealing of a snapshot's root is bound to.
[[nodiscard]] std::string seal_binding(const SnapshotRecord& record);
inline constexpr std::string_view kSealedRootInfo = "backline sealed root";
// The name of the root in the page that holds nothing else.
inline constexpr std::string_view kSealedRootName = "root";

}  // namespace bk::store
