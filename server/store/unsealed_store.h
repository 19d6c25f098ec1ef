// A store in which the snapshots of one key are read as if they were not sealed: for whoever has the private
// key.
//
// Nodes, lists and chunks are opened as they are read, and compared with their plain ids like any others;
// everything else is the store below.  Which plain id lies under which sealed one is learned on the way
// down from a snapshot's root (a DiskMap: memory is bounded), so an object can be read once the node that
// names it was.
#pragma once

#include "common/crypt/seal_key.h"
#include "common/spill/disk_map.h"
#include "server/store/sealed.h"
#include "server/store/store.h"

#include <memory>

namespace bk::store {

// The record as the key shows it: `root` is the real one, `sealed_root` is empty.  A record of another key,
// or of none, stays as it is.
[[nodiscard]] std::unique_ptr<Store> unseal_store(std::unique_ptr<Store> below, const UnsealKey& key);

}  // namespace bk::store
