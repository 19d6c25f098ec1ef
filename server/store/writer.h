// One backup's writing side; internal to server/store.
#pragma once

#include "server/store/appender.h"
#include "server/store/possession.h"
#include "server/store/store_impl.h"
#include "server/store/usage_ledger.h"
#include "server/store/writers.h"

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace bk::store {

class WriterImpl final : public Writer, private Possession {
 public:
  WriterImpl(StoreImpl& store, std::string client, std::string module, std::string method, std::string name);
  ~WriterImpl() override;
  void put_group(const EncodedGroup& group, std::span<const ChunkRef> chunks) override;
  ChunkId put(ObjectKind kind, std::string_view content) override;
  void sync() override;
  SnapshotRecord commit(SnapshotRecord record) override;
  void save_checkpoint(const CheckpointRecord& record) override;
  Possession& possession() override { return *this; }
  bool contains(const ChunkId& id) override;
  const NodeCuts& node_cuts() const override;
  void set_quota(std::uint64_t bytes) override;
  Quota quota() const override { return quota_; }
  void forget_checkpoint() override;
  Totals totals() const override { return totals_; }

  [[nodiscard]] bool writes(const std::string& client, const std::string& module, const std::string& method,
                            const std::string& name) const {
    return client == client_ && module == module_ && method == method_ && name == name_;
  }
  void pin(const ChunkId& node) { registration_.pin(node); }

  // Compresses and appends what put() collected; not synced.
  void flush();

 private:
  // Chunks of one sort on their way into a group: file content and metadata compress better apart.
  struct Batch {
    std::string content;
    std::vector<ChunkRef> chunks;
  };
  std::vector<bool> has(std::span<const ChunkId> ids) override;
  [[nodiscard]] bool known(ObjectKind kind, const ChunkId& id);
  [[nodiscard]] std::vector<bool> which_known(std::span<const ChunkRef> chunks);
  void collect(ObjectKind kind, const ChunkId& id, std::string_view content);
  void flush(Batch& batch);
  void store_group(const EncodedGroup& group, std::vector<ChunkRef> chunks);
  void charge(std::uint64_t bytes);
  void charge_group(std::span<const ChunkRef> chunks);
  void settle();

  StoreImpl& store_;
  WriterRegistration registration_;
  std::string client_, module_, method_, name_;
  ClientPossession possession_;
  GroupEncoder encoder_;
  GroupDecoder decoder_;
  std::string decoded_;  // of the newest group
  Appender appender_;
  Batch data_, metadata_;
  std::unordered_map<ChunkId, ObjectKind> pending_;  // in a batch
  Totals totals_;
  UsageLedger ledger_;
  Quota quota_;
  std::uint64_t generation_ = 0;  // of the ledger, when it was seen last
  std::uint64_t charged_ = 0;     // by this writer
  std::uint64_t unsettled_ = 0;   // of that, not in the ledger yet
};

// Calls sink with everything that the client's snapshots and checkpoints lead to, but for what counts name;
// passes over what is damaged.
[[nodiscard]] ClientPossession::Walk walk_snapshots(StoreImpl& store, const std::string& client);
[[nodiscard]] ClientPossession::Walk walk_checkpoints(StoreImpl& store, const std::string& client);

// Makes anew what the client may claim, from its snapshots and checkpoints, when there is nothing that can be
// used.
void ensure_possession(StoreImpl& store, const std::string& client);

}  // namespace bk::store
