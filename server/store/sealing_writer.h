// A writer that stores sealed what it is given: the client's side of a sealed source, on top of any writer.
//
// Above it everything is as always: DirectoryWriter, StreamWriter and commit() know plain ids.  Below it only
// sealed objects and their ids are seen.  Memory is bounded: which plain id became which lies in a DiskMap.
#pragma once

#include "common/crypt/seal_key.h"
#include "common/spill/disk_map.h"
#include "server/store/sealed.h"
#include "server/store/store.h"

#include <memory>
#include <string>

namespace bk::store {

class SealingWriter final : public Writer {
 public:
  // `scratch` is a folder for temporary files.
  SealingWriter(std::unique_ptr<Writer> below, const SealKey& key, const std::string& scratch);
  // Nothing that others compressed can be taken: throws Usage.
  void put_group(const EncodedGroup& group, std::span<const ChunkRef> chunks) override;
  ChunkId put(ObjectKind kind, std::string_view content) override;
  void sync() override { below_->sync(); }
  // The root goes into a sealed page; its plain id, sealed to the public key, and the key's name into the
  // record.  An archive's SHA-256 is left out: it would tell what the archive is.
  SnapshotRecord commit(SnapshotRecord record) override;
  void save_checkpoint(const CheckpointRecord& record) override;
  // Of sealed ids.
  [[nodiscard]] Possession& possession() override { return below_->possession(); }
  [[nodiscard]] bool contains(const ChunkId& id) override { return ids_.contains(id.view()); }
  [[nodiscard]] const NodeCuts& node_cuts() const override { return below_->node_cuts(); }
  void set_quota(std::uint64_t bytes) override { below_->set_quota(bytes); }
  [[nodiscard]] Quota quota() const override { return below_->quota(); }
  void forget_checkpoint() override { below_->forget_checkpoint(); }
  [[nodiscard]] Totals totals() const override { return below_->totals(); }

 private:
  [[nodiscard]] ChunkId sealed_id(const ChunkId& plain);
  [[nodiscard]] std::string front_of(std::string_view node);

  std::unique_ptr<Writer> below_;
  SealKey key_;
  ObjectSealer sealer_;
  DiskMap ids_;  // plain to sealed, of what was put
};

}  // namespace bk::store
