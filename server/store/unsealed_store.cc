#include "server/store/unsealed_store.h"

#include "common/crypt/hpke.h"
#include "common/error/error.h"

#include <utility>

namespace bk::store {
namespace {

using Sink = std::function<void(std::size_t, std::string_view)>;
using Report = std::function<void(const std::string&)>;
using Progress = std::function<void(std::uint64_t, std::uint64_t)>;

class UnsealedStore final : public Store {
 public:
  UnsealedStore(std::unique_ptr<Store> below, const UnsealKey& key)
      : below_(std::move(below)),
        key_(key),
        name_(key.sealing().name()),
        sealer_(key.identity),
        ids_(below_->scratch()) {}

  std::string read(ObjectKind kind, const ChunkId& id) override {
    const std::optional<ChunkId> sealed = sealed_id(id);
    if (!sealed) return below_->read(kind, id);
    const std::string bytes = below_->read(kind, *sealed);
    std::string object = sealer_.open(kind, id, bytes);
    if (kind != ObjectKind::Data) learn(object, bytes);
    return object;
  }
  void read_many(ObjectKind kind, std::span<const ChunkId> ids, const Sink& sink) override {
    for (std::size_t i = 0; i < ids.size(); ++i) sink(i, read(kind, ids[i]));
  }
  void read_scattered(ObjectKind kind, std::span<const ChunkId> ids, const Sink& sink) override {
    read_many(kind, ids, sink);
  }
  // Nobody can use a group of sealed chunks as it lies there.
  std::vector<std::optional<StoredPlace>> locate(ObjectKind kind, std::span<const ChunkId> ids) override {
    std::vector<std::optional<StoredPlace>> out = below_->locate(kind, ids);
    for (std::size_t i = 0; i < ids.size(); ++i)
      if (ids_.contains(ids[i].view())) out[i].reset();
    return out;
  }
  std::vector<bool> present(ObjectKind kind, std::span<const ChunkId> ids) override {
    std::vector<ChunkId> there(ids.begin(), ids.end());
    for (ChunkId& id : there) id = sealed_id(id).value_or(id);
    return below_->present(kind, there);
  }

  std::vector<SnapshotRecord> snapshots(const std::string& client,
                                        const std::function<void(const std::string&)>& damaged) override {
    std::vector<SnapshotRecord> out = below_->snapshots(client, damaged);
    std::erase_if(out, [&](SnapshotRecord& record) { return !open_or_tell(record, damaged); });
    return out;
  }
  std::optional<SnapshotRecord> newest(const std::string& client, const std::string& module,
                                       const std::string& method, const std::string& name) override {
    std::optional<SnapshotRecord> out = below_->newest(client, module, method, name);
    if (out) open(*out);
    return out;
  }

  std::unique_ptr<Writer> writer(const std::string& client, const std::string& module,
                                 const std::string& method, const std::string& name) override {
    return below_->writer(client, module, method, name);
  }
  StoredGroup load_group(const StoredPlace& place, bool check) override {
    return below_->load_group(place, check);
  }
  bool owns_group(const std::string& client, const StoredPlace& place) override {
    return below_->owns_group(client, place);
  }
  void mark_snapshots(const std::string& client, const MarkTemplate& what,
                      std::span<const std::string> ids) override {
    below_->mark_snapshots(client, what, ids);
  }
  std::map<std::string, SnapshotMark> holds(const std::string& client) override {
    return below_->holds(client);
  }
  std::optional<CheckpointRecord> checkpoint(const std::string& client, const std::string& module,
                                             const std::string& method, const std::string& name) override {
    return below_->checkpoint(client, module, method, name);
  }
  const ChunkerParams& chunker() const override { return below_->chunker(); }
  const std::string& directory() const override { return below_->directory(); }
  const std::string& scratch() const override { return below_->scratch(); }
  void read_past_bad_sectors(bool past) override { below_->read_past_bad_sectors(past); }
  void tidy() override { below_->tidy(); }
  CleanTotals clean(const CleanOptions& options) override { return below_->clean(options); }
  void rebuild_index(const Progress& progress, bool anew) override { below_->rebuild_index(progress, anew); }
  bool was_removed(const std::string& client, const std::string& snapshot_id) override {
    return below_->was_removed(client, snapshot_id);
  }
  bool was_made(const std::string& client, const std::string& snapshot_id) override {
    return below_->was_made(client, snapshot_id);
  }
  void check_structure(const Report& report) override { below_->check_structure(report); }
  PackTotals check_packs(const PackPlan& plan, const std::function<void(const PackProblem&)>& report,
                         const Progress& progress) override {
    return below_->check_packs(plan, report, progress);
  }
  // What is sealed has another length: it is not found among what packs hold, and read.
  std::uint64_t mark_of(ObjectKind kind, const ChunkId& id) override { return below_->mark_of(kind, id); }
  void check_records(const std::function<void(const PackProblem&)>& report) override {
    below_->check_records(report);
  }
  void note_suffering(const std::vector<std::string>& ids) override { below_->note_suffering(ids); }
  bool suffers(const std::string& id) override { return below_->suffers(id); }
  HealTotals heal(const std::string& copy, const HealReport& report, const Progress& progress) override {
    return below_->heal(copy, report, progress);
  }

 private:
  [[nodiscard]] std::optional<ChunkId> sealed_id(const ChunkId& plain) {
    const std::optional<std::string> sealed = ids_.get(plain.view());
    return sealed ? std::optional(ChunkId::from_bytes(*sealed)) : std::nullopt;
  }

  // Both sides of a node hold their references in the same order.
  void learn(std::string_view object, std::string_view sealed) {
    const std::vector<NodeRef> plain = node_refs(object);
    const std::vector<NodeRef> under = node_refs(sealed);
    if (plain.size() != under.size())
      throw Error(Kind::Corrupt, "a sealed node has other references outside than inside");
    for (std::size_t i = 0; i < plain.size(); ++i) ids_.insert(plain[i].id.view(), under[i].id.view());
  }

  void open(SnapshotRecord& record) {
    if (record.sealed_root.empty() || record.seal != name_) return;
    const std::optional<std::string> page =
        hpke_open(key_.private_key, kSealedRootInfo, seal_binding(record), record.sealed_root);
    if (!page || page->size() != 32) damaged(record, "the key does not open its root");
    const ChunkId plain = ChunkId::from_bytes(*page);
    ids_.insert(plain.view(), record.root.node.view());
    std::vector<Entry> entries = decode_page(read(ObjectKind::Tree, plain));
    const bool one = entries.size() == 1 && entries[0].name == kSealedRootName;
    if (!one || (entries[0].type != EntryType::Directory && entries[0].type != EntryType::File))
      damaged(record, "what is sealed is no root");
    record.root = std::move(entries[0]);
    record.root.name.clear();
    record.sealed_root.clear();
  }

  [[nodiscard]] bool open_or_tell(SnapshotRecord& record, const Report& damaged) {
    try {
      open(record);
    } catch (const Error& error) {
      if (!damaged || error.kind() != Kind::Corrupt) throw;
      damaged(error.what());
      return false;
    }
    return true;
  }

  [[noreturn]] static void damaged(const SnapshotRecord& record, const std::string& why) {
    throw Error(Kind::Corrupt, "snapshot " + record.id.substr(0, 12) + ": " + why);
  }

  std::unique_ptr<Store> below_;
  UnsealKey key_;
  std::string name_;
  ObjectSealer sealer_;
  DiskMap ids_;  // plain to sealed
};

}  // namespace

std::unique_ptr<Store> unseal_store(std::unique_ptr<Store> below, const UnsealKey& key) {
  return std::make_unique<UnsealedStore>(std::move(below), key);
}

}  // namespace bk::store
