#include "common/chunk/chunk_id.h"

#include "common/digest/sha256_lanes.h"

namespace bk {

ChunkId chunk_id(ObjectKind kind, std::string_view content) {
  thread_local Sha256 hash;
  const char tag = static_cast<char>(kind);
  return hash.update({&tag, 1}).update(content).finish();
}

std::vector<ChunkId> chunk_ids(std::span<const ObjectContent> objects) {
  std::vector<PrefixedBytes> pieces;
  pieces.reserve(objects.size());
  for (const ObjectContent& object : objects)
    pieces.push_back({static_cast<char>(object.kind), object.content});
  std::vector<ChunkId> ids(objects.size());
  sha256_many(pieces, ids);
  return ids;
}

}  // namespace bk
