#include "server/store/reach.h"

#include <vector>

namespace bk::store {

void for_each_reachable(Store& store, const Entry& root, DiskMap& visited,
                        const std::function<void(ObjectKind, const ChunkId&)>& sink) {
  std::vector<NodeRef> todo;
  if (root.type == EntryType::Directory) todo.push_back({ObjectKind::Tree, root.node});
  for (const Extent& extent : root.content) {
    if (extent.kind == Extent::Kind::Chunk) todo.push_back({ObjectKind::Data, extent.id});
    if (extent.kind == Extent::Kind::List) todo.push_back({ObjectKind::List, extent.id});
  }
  while (!todo.empty()) {
    const NodeRef ref = todo.back();
    todo.pop_back();
    if (ref.kind != ObjectKind::Data && !visited.insert(ref.id.view())) continue;
    sink(ref.kind, ref.id);
    if (ref.kind == ObjectKind::Data) continue;
    for (const NodeRef& below : node_refs(store.read(ref.kind, ref.id))) todo.push_back(below);
  }
}

}  // namespace bk::store
