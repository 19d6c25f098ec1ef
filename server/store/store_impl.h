// The store's pieces put together; internal to server/store.
#pragma once

#include "server/store/chunk_mark.h"
#include "server/store/index.h"
#include "server/store/layout.h"
#include "server/store/pack_reader.h"
#include "server/store/possession.h"
#include "server/store/snapshot_log.h"
#include "server/store/store.h"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace bk::store {

class WriterImpl;

class StoreImpl final : public Store {
 public:
  enum class Opening { ToWrite, ToRead, ToRebuild };
  StoreImpl(Layout layout, StoreHeader header, Opening how);
  ~StoreImpl() override;

  std::unique_ptr<Writer> writer(const std::string& client, const std::string& module,
                                 const std::string& method, const std::string& name) override;
  std::string read(ObjectKind kind, const ChunkId& id) override;
  void read_past_bad_sectors(bool past) override { past_bad_sectors_ = past; }
  void read_many(ObjectKind kind, std::span<const ChunkId> ids,
                 const std::function<void(std::size_t, std::string_view)>& sink) override;
  void read_scattered(ObjectKind kind, std::span<const ChunkId> ids,
                      const std::function<void(std::size_t, std::string_view)>& sink) override;
  std::vector<std::optional<StoredPlace>> locate(ObjectKind kind, std::span<const ChunkId> ids) override;
  StoredGroup load_group(const StoredPlace& place, bool check) override {
    return reader_.encoded(place.pack, place.offset, check);
  }
  bool owns_group(const std::string& client, const StoredPlace& place) override;
  std::vector<SnapshotRecord> snapshots(const std::string& client,
                                        const std::function<void(const std::string&)>& damaged) override;
  std::optional<SnapshotRecord> newest(const std::string& client, const std::string& module,
                                       const std::string& method, const std::string& name) override;
  void mark_snapshots(const std::string& client, const MarkTemplate& what,
                      std::span<const std::string> ids) override;
  std::map<std::string, SnapshotMark> holds(const std::string& client) override;
  std::optional<CheckpointRecord> checkpoint(const std::string& client, const std::string& module,
                                             const std::string& method, const std::string& name) override;
  CleanTotals clean(const CleanOptions& options) override;
  // What the group holds there.  Throws Corrupt.
  [[nodiscard]] std::vector<StoredChunk> stored_chunks(std::uint64_t pack, std::uint32_t offset) {
    return reader_.chunks(pack, offset);
  }
  // Whether that very chunk stands there.
  [[nodiscard]] bool can_read(const Location& where, ObjectKind kind, const StoredId& id);
  const ChunkerParams& chunker() const override { return header_.chunker; }
  const std::string& directory() const override { return layout_.store; }
  const std::string& scratch() const override { return layout_.index; }
  void tidy() override { index_.merge_if_idle(kMergeAnything); }
  void rebuild_index(const std::function<void(std::uint64_t, std::uint64_t)>& progress, bool anew) override;
  bool was_removed(const std::string& client, const std::string& snapshot_id) override;
  bool was_made(const std::string& client, const std::string& snapshot_id) override;
  void check_structure(const std::function<void(const std::string&)>& report) override;

  [[nodiscard]] const Layout& layout() const { return layout_; }
  [[nodiscard]] const StoreId& id() const { return header_.id; }
  [[nodiscard]] Index& index() { return index_; }
  // Writers of this object, whose unflushed groups read() must see.
  void enlist(WriterImpl* writer) { writers_.push_back(writer); }
  void dismiss(WriterImpl* writer) { std::erase(writers_, writer); }
  PackTotals check_packs(const PackPlan& plan, const std::function<void(const PackProblem&)>& report,
                         const std::function<void(std::uint64_t, std::uint64_t)>& progress) override;
  std::uint64_t mark_of(ObjectKind kind, const ChunkId& id) override {
    return marker_.mark(kind, header_.id.stored(id));
  }
  void check_records(const std::function<void(const PackProblem&)>& report) override;
  std::vector<bool> present(ObjectKind kind, std::span<const ChunkId> ids) override;
  void note_suffering(const std::vector<std::string>& ids) override;
  bool suffers(const std::string& id) override {
    index_.damage().refresh();
    return index_.damage().suffers(id);
  }
  HealTotals heal(const std::string& copy, const HealReport& report,
                  const std::function<void(std::uint64_t, std::uint64_t)>& progress) override;

 private:
  [[nodiscard]] std::set<std::uint64_t> known_packs();
  [[nodiscard]] std::vector<std::uint64_t> lost_packs();
  [[nodiscard]] std::vector<std::uint64_t> noted_and_gone();
  void check_index(const std::map<std::uint64_t, std::uint64_t>& chunks,
                   const std::function<void(const PackProblem&)>& report);
  // Why a chunk could not be read where it should stand: the first damage, and the newest bad sector.
  struct Hindrance {
    std::string damage;
    std::optional<Error> unreadable;
  };
  [[nodiscard]] std::optional<std::string_view> try_read(ObjectKind kind, const ChunkId& id,
                                                         Hindrance& hindrance);
  void catch_up(bool reconcile);
  [[nodiscard]] std::string_view view(ObjectKind kind, const ChunkId& id);
  // First known places, in the order of storage, each with its position in `ids`.
  [[nodiscard]] std::vector<std::pair<Location, std::size_t>> in_storage_order(
      ObjectKind kind, std::span<const ChunkId> ids) const;

  Layout layout_;
  StoreHeader header_;
  Index index_;
  PackReader reader_;
  ChunkMarker marker_;
  std::vector<WriterImpl*> writers_;
  const bool may_lock_;
  bool reconciled_ = false, past_bad_sectors_ = false;
  std::map<std::string, PossessionView> owners_;  // who was asked for
};

}  // namespace bk::store
