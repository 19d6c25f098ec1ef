// A real folder put into a real store through the writer's own interface, as a pull would put it there.
#pragma once

#include "server/store/store.h"

#include <string>

namespace bk::test {

struct StoreTask {
  std::string client = "web1", module = "directories", method = "rsync";
  std::string name{};       // the source's path
  Timestamp began{};        // zero: now
  std::string seal_file{};  // a client's sealing key: the source is sealed
};

// Stores what lies at `path`, every kind of entry with all metadata, and commits.
store::SnapshotRecord store_tree(store::Store& store, const std::string& path, StoreTask task);

}  // namespace bk::test
