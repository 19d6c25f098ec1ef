#include "server/store/reach.h"

#include <vector>

namespace bk::store {

std::vector<NodeRef> refs_of(const Entry& root) {
  std::vector<NodeRef> out;
  if (root.type == EntryType::Directory) out.push_back({ObjectKind::Tree, root.node});
  for (const Extent& extent : root.content) {
    if (extent.kind == Extent::Kind::Chunk) out.push_back({ObjectKind::Data, extent.id});
    if (extent.kind == Extent::Kind::List) out.push_back({ObjectKind::List, extent.id});
  }
  return out;
}

Entry directory_of(const ChunkId& node) {
  Entry out;
  out.type = EntryType::Directory;
  out.node = node;
  return out;
}

void for_each_reachable(Store& store, const Entry& root, DiskMap& visited,
                        const std::function<void(ObjectKind, const ChunkId&)>& sink,
                        const std::function<bool(const ChunkId&)>& known) {
  std::vector<NodeRef> todo = refs_of(root);
  while (!todo.empty()) {
    const NodeRef ref = todo.back();
    todo.pop_back();
    if (ref.kind != ObjectKind::Data && (!visited.insert(ref.id.view()) || (known && known(ref.id))))
      continue;
    sink(ref.kind, ref.id);
    if (ref.kind == ObjectKind::Data) continue;
    for (const NodeRef& below : node_refs(store.read(ref.kind, ref.id))) todo.push_back(below);
  }
}

}  // namespace bk::store
