// What a snapshot needs.
#pragma once

#include "common/spill/disk_map.h"
#include "server/store/node.h"
#include "server/store/store.h"

#include <functional>

namespace bk::store {

// What a snapshot's root names itself.
[[nodiscard]] std::vector<NodeRef> refs_of(const Entry& root);
// A directory's root by its node alone.
[[nodiscard]] Entry directory_of(const ChunkId& node);

// Calls sink for every object below `root` once per reference; nodes and lists that are in `visited` already
// are not entered again, and those that are `known` are passed over.  Depth is a loop.  Throws Corrupt when a
// node or list is missing or damaged.
void for_each_reachable(Store& store, const Entry& root, DiskMap& visited,
                        const std::function<void(ObjectKind, const ChunkId&)>& sink,
                        const std::function<bool(const ChunkId&)>& known = {});

}  // namespace bk::store
