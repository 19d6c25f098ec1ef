#include "server/bkdb/verify.h"

#include "common/spill/disk_map.h"
#include "server/bkdb/verify_archives.h"
#include "server/bkdb/walk.h"
#include "server/bkdb/window.h"
#include "server/store/reach.h"
#include "server/store/tree.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace bk::bkdb {
namespace {

constexpr std::uint64_t kRemembered = 1U << 24U;  // chunks found good; about a gigabyte on the disk

constexpr std::size_t kLookedAtOnce = 8192;

// A chunk as an extent names it: a client may have named a good one with a length that it has not.
std::string key_of(const ChunkId& id, std::uint64_t bytes) {
  std::string key(id.view());
  return key.append(reinterpret_cast<const char*>(&bytes), sizeof bytes);
}

// Asked of what is not there: it may stand where the disk gives nothing back.
Reason absent(store::Store& store, const ChunkId& id) {
  try {
    (void)store.read(ObjectKind::Data, id);
  } catch (const Error& error) {
    if (store::is_unreadable(error)) return reason_of(error);
  }
  return {"chunk " + id.hex() + " is missing, or stands only where the store is damaged"};
}

struct Bad {
  std::unordered_map<std::string, Reason> chunks;    // key_of(): damaged content, and why
  std::unordered_map<ChunkId, Reason> directories;   // nodes that cannot be read (fully)
  std::unordered_map<std::string, Reason> archives;  // snapshots whose archive is not the client's
  bool any_list = false;                             // a file's chunk list cannot be read
  [[nodiscard]] bool any() const {
    return !chunks.empty() || !directories.empty() || !archives.empty() || any_list;
  }
};

// Each chunk once, mostly.  Bounded: forgetting costs looking again, never a chunk that was not looked after.
class NotYetSeen {
 public:
  explicit NotYetSeen(store::Store& store) : store_(store), seen_(store.scratch()) {}
  bool operator()(const Extent& extent) {
    if (seen_.size() >= kRemembered) seen_ = DiskMap(store_.scratch());
    return seen_.insert(key_of(extent.id, extent.bytes));
  }

 private:
  store::Store& store_;
  DiskMap seen_;
};

// The same for who sorts what is left anyway: it costs next to nothing, and lets many repeats pass.
class NotJustSeen {
 public:
  bool operator()(const store::ChunkMark& mark) {
    store::ChunkMark& last = last_[mark.mark % last_.size()];
    if (last.mark == mark.mark && last.bytes == mark.bytes && mark.bytes != 0) return false;
    last = mark;
    return true;
  }

 private:
  std::vector<store::ChunkMark> last_ = std::vector<store::ChunkMark>(1U << 17U);
};

// First walk: every folder once.
class Reader final : public Visitor {
 public:
  using Progress = std::function<void(std::uint64_t)>;
  // What becomes of each chunk that is met, as often as it is.
  using Sink = std::function<void(const Extent&)>;
  Reader(store::Store& store, VerifyTotals& totals, Bad& bad, Sink sink)
      : store_(store),
        totals_(totals),
        bad_(bad),
        sink_(std::move(sink)),
        seen_directories_(store.scratch()) {}

  bool enter(const std::string&, const Entry& directory) override {
    if (!seen_directories_.insert(directory.node.view())) return false;
    nodes_.push_back(directory.node);
    ++totals_.directories;
    return true;
  }
  void leave(const std::string&, const Entry&) override { nodes_.pop_back(); }
  void damaged(const std::string&, const Error& error) override {
    bad_.directories[nodes_.back()] = reason_of(error);
  }

  void entry(const std::string&, const Entry& entry) override {
    if (entry.type != EntryType::File || entry.unreadable) return;
    ++totals_.files;
    std::uint64_t length = 0;
    try {
      store::for_each_extent(store_, entry, [&](const Extent& extent) {
        length += extent.bytes;
        if (extent.kind == Extent::Kind::Chunk) sink_(extent);
      });
    } catch (const Error& error) {
      if (error.kind() != Kind::Corrupt) throw;
      bad_.any_list = true;
    }
    if (length != entry.size) bad_.any_list = true;
  }

 private:
  store::Store& store_;
  VerifyTotals& totals_;
  Bad& bad_;
  Sink sink_;
  DiskMap seen_directories_;
  std::vector<ChunkId> nodes_;
};

using Snapshots = std::vector<const store::SnapshotRecord*>;

// Whether every chunk stands somewhere that is not known to be damaged.
void look(store::Store& store, const Snapshots& snapshots, VerifyTotals& totals, Bad& bad) {
  std::vector<ChunkId> ids;
  std::vector<std::uint64_t> lengths;
  const auto flush = [&] {
    const std::vector<bool> present = store.present(ObjectKind::Data, ids);
    for (std::size_t i = 0; i < ids.size(); ++i)
      if (!present[i]) bad.chunks[key_of(ids[i], lengths[i])] = absent(store, ids[i]);
    ids.clear();
    lengths.clear();
  };
  NotYetSeen not_yet_seen(store);
  Reader reader(store, totals, bad, [&](const Extent& extent) {
    if (!not_yet_seen(extent)) return;
    ids.push_back(extent.id);
    lengths.push_back(extent.bytes);
    if (ids.size() >= kLookedAtOnce) flush();
  });
  for (const auto* snapshot : snapshots) (void)walk(store, snapshot->root, {}, reader);
  flush();
}

// Reads every chunk that is wanted.
void read(store::Store& store, const Snapshots& snapshots, VerifyTotals& totals, Bad& bad,
          const std::function<bool(const Extent&)>& wanted,
          const std::function<void(std::uint64_t)>& progress) {
  ChunkWindow window;
  const auto flush = [&] {
    window.flush(
        store,
        [&](std::uint64_t, const ChunkId&, std::string_view content) {
          ++totals.chunks;
          totals.bytes += content.size();
        },
        [&](std::uint64_t bytes, const ChunkId& id, const Error& error) {
          bad.chunks[key_of(id, bytes)] = reason_of(error);
        });
    if (progress) progress(totals.bytes);
  };
  NotYetSeen not_yet_seen(store);
  Reader reader(store, totals, bad, [&](const Extent& extent) {
    if (!wanted(extent) || !not_yet_seen(extent)) return;
    window.add(extent.id, extent.bytes, extent.bytes);
    if (window.full()) flush();
  });
  for (const auto* snapshot : snapshots) (void)walk(store, snapshot->root, {}, reader);
  flush();
}

using Missing = std::unordered_set<std::uint64_t>;

void name_sealed(store::Store& store, const Snapshots& snapshots, GoodChunks& named) {
  DiskMap visited(store.scratch());
  for (const auto* snapshot : snapshots) {
    try {
      store::for_each_reachable(store, snapshot->root, visited, [&](ObjectKind kind, const ChunkId& id) {
        const store::ChunkMark mark{store.mark_of(kind, id), 0};
        if (kind == ObjectKind::Data) named.add({&mark, 1});
      });
    } catch (const Error& error) {
      if (error.kind() != Kind::Corrupt) throw;  // SealedReader tells it
    }
  }
}

// Compares every chunk with those that were found good in the packs.  What is not among them (it was copied
// meanwhile, or is damaged) is read.
Missing compare(store::Store& store, const Snapshots& snapshots, const Snapshots& sealed, GoodChunks& good,
                VerifyTotals& totals, Bad& bad, const std::function<void(std::uint64_t)>& progress) {
  GoodChunks named(store);
  Missing missing;
  NotJustSeen not_just_seen;
  Reader reader(store, totals, bad, [&](const Extent& extent) {
    const auto bytes = static_cast<std::uint32_t>(std::min<std::uint64_t>(extent.bytes, UINT32_MAX));
    const store::ChunkMark mark{store.mark_of(ObjectKind::Data, extent.id), bytes};
    if (not_just_seen(mark)) named.add({&mark, 1});
  });
  name_sealed(store, sealed, named);
  for (const auto* snapshot : snapshots) (void)walk(store, snapshot->root, {}, reader);
  named.without(good, [&](const store::ChunkMark& mark, bool found) {
    if (found) {
      ++totals.chunks;
      totals.bytes += mark.bytes;
    } else {
      missing.insert(mark.mark);
    }
  });
  if (progress) progress(totals.bytes);
  if (missing.empty()) return missing;
  VerifyTotals more;
  read(store, snapshots, more, bad,
       [&](const Extent& extent) { return missing.contains(store.mark_of(ObjectKind::Data, extent.id)); },
       {});
  totals.chunks += more.chunks;
  totals.bytes += more.bytes;
  return missing;
}

// Second walk: every path of one snapshot that names something damaged.
class Namer final : public Visitor {
 public:
  Namer(store::Store& store, const Bad& bad, const store::SnapshotRecord& snapshot, const Problem& problem)
      : store_(store), bad_(bad), snapshot_(snapshot), problem_(problem) {}
  bool enter(const std::string&, const Entry&) override { return true; }
  void leave(const std::string&, const Entry&) override {}
  void damaged(const std::string& path, const Error& error) override {
    Reason reason = reason_of(error);
    reason.text.insert(0, "this folder cannot be read completely: ");
    problem_(snapshot_, path, reason);
  }
  void entry(const std::string& path, const Entry& entry) override {
    if (entry.type != EntryType::File || entry.unreadable) return;
    std::uint64_t length = 0;
    Reason reason;
    try {
      store::for_each_extent(store_, entry, [&](const Extent& extent) {
        length += extent.bytes;
        if (!reason.empty() || extent.kind != Extent::Kind::Chunk) return;
        const auto bad = bad_.chunks.find(key_of(extent.id, extent.bytes));
        if (bad != bad_.chunks.end()) reason = bad->second;
      });
      if (reason.empty() && length != entry.size)
        reason = {"its recorded content has another length than its size"};
      const auto archive = bad_.archives.find(snapshot_.id);
      if (reason.empty() && archive != bad_.archives.end()) reason = archive->second;
    } catch (const Error& error) {
      if (error.kind() != Kind::Corrupt) throw;
      reason = reason_of(error);
    }
    if (!reason.empty()) problem_(snapshot_, path, reason);
  }

 private:
  store::Store& store_;
  const Bad& bad_;
  const store::SnapshotRecord& snapshot_;
  const Problem& problem_;
};

// Sealed snapshots, as far as anybody can check them without their key: everything that they lead to is there
// and hashes to its identity.  What is damaged has no path here.
class SealedReader {
 public:
  SealedReader(store::Store& store, bool content, const Missing* missing, VerifyTotals& totals,
               const Problem& problem)
      : store_(store),
        content_(content),
        missing_(missing),
        totals_(totals),
        problem_(problem),
        checked_(store.scratch()) {}
  void check(const store::SnapshotRecord& snapshot) {
    DiskMap visited(store_.scratch());
    ++totals_.sealed;
    const auto tell = [&](const Reason& reason) { problem_(snapshot, "", reason); };
    try {
      store::for_each_reachable(store_, snapshot.root, visited, [&](ObjectKind kind, const ChunkId& id) {
        if (kind == ObjectKind::Data) look(id);
        const auto bad = bad_.find(id);
        if (bad != bad_.end()) tell(bad->second);
      });
    } catch (const Error& error) {
      if (error.kind() != Kind::Corrupt) throw;
      tell(reason_of(error));  // and what is below, nobody knows
    }
  }

 private:
  void look(const ChunkId& id) {
    if (checked_.size() >= kRemembered) checked_ = DiskMap(store_.scratch());
    if (!checked_.insert(id.view())) return;
    if (missing_ != nullptr && !missing_->contains(store_.mark_of(ObjectKind::Data, id))) return;
    try {
      if (!content_) {
        if (!store_.present(ObjectKind::Data, {&id, 1})[0]) bad_[id] = absent(store_, id);
        return;
      }
      totals_.bytes += store_.read(ObjectKind::Data, id).size();
      ++totals_.chunks;
    } catch (const Error& error) {
      if (error.kind() != Kind::Corrupt) throw;
      bad_[id] = reason_of(error);
    }
  }

  store::Store& store_;
  bool content_;
  const Missing* missing_;
  VerifyTotals& totals_;
  const Problem& problem_;
  DiskMap checked_;
  std::unordered_map<ChunkId, Reason> bad_;
};

// Bad sectors end nothing while this lives.
class PastBadSectors {
 public:
  explicit PastBadSectors(store::Store& store) : store_(store) { store_.read_past_bad_sectors(true); }
  PastBadSectors(const PastBadSectors&) = delete;
  PastBadSectors& operator=(const PastBadSectors&) = delete;
  ~PastBadSectors() { store_.read_past_bad_sectors(false); }

 private:
  store::Store& store_;
};

// One that was removed meanwhile may be cleaned away by now: nobody's damage.
class UnlessRemoved {
 public:
  UnlessRemoved(store::Store& store, const Problem& problem) : store_(store), problem_(problem) {}
  void tell(const store::SnapshotRecord& snapshot, const std::string& path, const Reason& reason) {
    const auto [known, first] = removed_.try_emplace(snapshot.id, false);
    if (first) known->second = is_removed(snapshot);
    if (!known->second) problem_(snapshot, path, reason);
  }

 private:
  [[nodiscard]] bool is_removed(const store::SnapshotRecord& snapshot) {
    try {
      return store_.was_removed(snapshot.client, snapshot.id);
    } catch (const Error& error) {
      if (error.kind() != Kind::Corrupt && error.kind() != Kind::Io) throw;
      return false;  // its journal is told by who checks that
    }
  }
  store::Store& store_;
  const Problem& problem_;
  std::unordered_map<std::string, bool> removed_;
};

}  // namespace

Reason reason_of(const Error& error) { return {error.what(), store::is_unreadable(error)}; }

VerifyTotals verify_snapshots(store::Store& store, const Snapshots& chosen, const VerifyPlan& plan,
                              const Problem& report, const std::function<void(std::uint64_t)>& progress) {
  const PastBadSectors past(store);
  UnlessRemoved counting(store, report);
  const Problem problem = [&](const store::SnapshotRecord& snapshot, const std::string& path,
                              const Reason& reason) { counting.tell(snapshot, path, reason); };
  VerifyTotals totals;
  Bad bad;
  totals.snapshots = chosen.size();
  Snapshots snapshots, sealed;
  for (const store::SnapshotRecord* one : chosen)
    (one->sealed_root.empty() ? snapshots : sealed).push_back(one);
  Missing missing;
  if (plan.good != nullptr)
    missing = compare(store, snapshots, sealed, *plan.good, totals, bad, progress);
  else if (plan.content)
    read(
        store, snapshots, totals, bad, [](const Extent&) { return true; }, progress);
  else
    look(store, snapshots, totals, bad);
  SealedReader sealed_reader(store, plan.content, plan.good != nullptr ? &missing : nullptr, totals, problem);
  for (const store::SnapshotRecord* one : sealed) sealed_reader.check(*one);
  if (plan.content) check_archives(store, snapshots, bad.archives);
  if (!bad.any()) return totals;
  for (const store::SnapshotRecord* snapshot : snapshots) {
    Namer namer(store, bad, *snapshot, problem);
    (void)walk(store, snapshot->root, {}, namer);
  }
  return totals;
}

}  // namespace bk::bkdb
