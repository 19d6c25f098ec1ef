#include "server/store/sealing_writer.h"

#include "common/crypt/hpke.h"
#include "common/error/error.h"
#include "server/store/extents.h"

#include <utility>

namespace bk::store {

SealingWriter::SealingWriter(std::unique_ptr<Writer> below, const SealKey& key, const std::string& scratch)
    : below_(std::move(below)), key_(key), sealer_(key.identity), ids_(scratch) {}

void SealingWriter::put_group(const EncodedGroup&, std::span<const ChunkRef>) {
  throw Error(Kind::Usage, "a sealed source takes no groups that somebody else compressed");
}

ChunkId SealingWriter::sealed_id(const ChunkId& plain) {
  const std::optional<std::string> sealed = ids_.get(plain.view());
  if (!sealed) throw Error(Kind::Usage, "a node names " + plain.hex() + ", which was not put before it");
  return ChunkId::from_bytes(*sealed);
}

std::string SealingWriter::front_of(std::string_view node) {
  std::vector<NodeRef> refs = node_refs(node);
  for (NodeRef& ref : refs) ref.id = sealed_id(ref.id);
  return sealed_node_front(node_type(node), refs);
}

ChunkId SealingWriter::put(ObjectKind kind, std::string_view content) {
  const ChunkId plain = chunk_id(kind, content);
  if (ids_.contains(plain.view())) return plain;
  const std::string front = kind == ObjectKind::Data ? std::string() : front_of(content);
  const ChunkId sealed = below_->put(kind, sealer_.seal(plain, front, content));
  ids_.insert(plain.view(), sealed.view());
  return plain;
}

SnapshotRecord SealingWriter::commit(SnapshotRecord record) {
  Entry root = std::exchange(record.root, {});
  root.name = kSealedRootName;
  root.content = fold_extents(*this, root.content);
  const ChunkId page = put(ObjectKind::Tree, encode_page({&root, 1}));
  SystemRandom random;
  record.seal = key_.name();
  record.sealed_root = hpke_seal(key_.public_key, kSealedRootInfo, seal_binding(record), page.view(), random);
  record.root.type = EntryType::Directory;
  record.root.node = sealed_id(page);
  record.archive_sha256.clear();
  return below_->commit(std::move(record));
}

void SealingWriter::save_checkpoint(const CheckpointRecord&) {
  throw Error(Kind::Usage, "a sealed source has no checkpoints");
}

}  // namespace bk::store
