// Who writes at the moment: one locked file in store/locks/ for each writer.
//
// What a clean condemns is deleted only when every writer that was at work then has ended: it may have taken
// a chunk for stored and not named it yet.  Whoever comes later treats what is condemned as absent.  Locks
// tell who lives, no clocks; a killed writer's lock goes with its process.
#pragma once

#include "common/chunk/chunk_id.h"
#include "common/io/fd.h"
#include "common/io/lock.h"
#include "server/store/domain.h"
#include "server/store/layout.h"

#include <cstdint>
#include <string>
#include <vector>

namespace bk::store {

class WriterRegistration {
 public:
  // Registers; what is condemned has to be read after this.
  WriterRegistration(const Layout& layout, StoreId store);
  ~WriterRegistration();
  WriterRegistration(const WriterRegistration&) = delete;
  WriterRegistration& operator=(const WriterRegistration&) = delete;
  // The writer takes over what this node (of a checkpoint, which may be replaced at any moment) leads to.
  void pin(const ChunkId& node);

 private:
  StoreId store_;
  std::string path_;
  Fd fd_;
};

class WriterRoll {
 public:
  explicit WriterRoll(const Layout& layout) : folder_(layout.writers()) {}
  // Names of those that live.  What killed ones left is removed.
  [[nodiscard]] std::vector<std::string> living() const;
  // Nodes that living writers have pinned.
  [[nodiscard]] std::vector<ChunkId> pinned(const StoreId& store) const;
  // While it is held nobody registers.
  [[nodiscard]] FileLock close() const;
  // Grows with every registration, so that two equal answers mean that nobody came between.
  [[nodiscard]] std::uint64_t registrations() const;

 private:
  std::string folder_;
};

}  // namespace bk::store
