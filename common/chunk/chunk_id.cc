#include "common/chunk/chunk_id.h"

namespace bk {

ChunkId chunk_id(ObjectKind kind, std::string_view content) {
  thread_local Sha256 hash;
  const char tag = static_cast<char>(kind);
  return hash.update({&tag, 1}).update(content).finish();
}

}  // namespace bk
