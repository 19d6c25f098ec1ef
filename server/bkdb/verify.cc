#include "server/bkdb/verify.h"

#include "common/digest/sha256.h"
#include "common/spill/disk_map.h"
#include "server/bkdb/content.h"
#include "server/bkdb/walk.h"
#include "server/bkdb/window.h"
#include "server/store/reach.h"
#include "server/store/tree.h"

#include <unordered_map>

namespace bk::bkdb {
namespace {

constexpr std::uint64_t kRemembered = 1U << 24U;  // chunks found good; about a gigabyte on the disk

// A chunk as an extent names it: a client may have named a good one with a length that it has not.
std::string key_of(const ChunkId& id, std::uint64_t bytes) {
  std::string key(id.view());
  return key.append(reinterpret_cast<const char*>(&bytes), sizeof bytes);
}

struct Bad {
  std::unordered_map<std::string, std::string> chunks;    // key_of(): damaged content, and why
  std::unordered_map<ChunkId, std::string> directories;   // nodes that cannot be read (fully)
  std::unordered_map<std::string, std::string> archives;  // snapshots whose archive is not the client's
  bool any_list = false;                                  // a file's chunk list cannot be read
  [[nodiscard]] bool any() const {
    return !chunks.empty() || !directories.empty() || !archives.empty() || any_list;
  }
};

// First walk: everything once.
class Reader final : public Visitor {
 public:
  using Progress = std::function<void(std::uint64_t)>;
  Reader(store::Store& store, bool content, VerifyTotals& totals, Bad& bad, const Progress& progress)
      : store_(store),
        content_(content),
        totals_(totals),
        bad_(bad),
        progress_(progress),
        seen_directories_(store.scratch()),
        seen_chunks_(store.scratch()) {}

  bool enter(const std::string&, const Entry& directory) override {
    if (!seen_directories_.insert(directory.node.view())) return false;
    nodes_.push_back(directory.node);
    ++totals_.directories;
    return true;
  }
  void leave(const std::string&, const Entry&) override { nodes_.pop_back(); }
  void damaged(const std::string&, const Error& error) override {
    bad_.directories[nodes_.back()] = error.what();
  }

  void entry(const std::string&, const Entry& entry) override {
    if (entry.type != EntryType::File || entry.unreadable) return;
    ++totals_.files;
    std::uint64_t length = 0;
    try {
      store::for_each_extent(store_, entry, [&](const Extent& extent) {
        length += extent.bytes;
        if (extent.kind == Extent::Kind::Chunk) add(extent);
      });
    } catch (const Error& error) {
      if (error.kind() != Kind::Corrupt) throw;
      bad_.any_list = true;
    }
    if (length != entry.size) bad_.any_list = true;
  }

  void flush() {
    if (!content_) return look();
    window_.flush(
        store_,
        [&](std::uint64_t, const ChunkId&, std::string_view content) {
          ++totals_.chunks;
          totals_.bytes += content.size();
        },
        [&](std::uint64_t bytes, const ChunkId& id, const Error& error) {
          bad_.chunks[key_of(id, bytes)] = error.what();
        });
    if (progress_) progress_(totals_.bytes);
  }

 private:
  void add(const Extent& extent) {
    // Bounded: forgetting costs reading again, never a chunk that was not read.
    if (seen_chunks_.size() >= kRemembered) seen_chunks_ = DiskMap(store_.scratch());
    if (!seen_chunks_.insert(key_of(extent.id, extent.bytes))) return;
    if (!content_) {
      looked_.push_back(extent.id);
      lengths_.push_back(extent.bytes);
      if (looked_.size() >= kLookedAtOnce) look();
      return;
    }
    window_.add(extent.id, extent.bytes, extent.bytes);
    if (window_.full()) flush();
  }
  void look() {
    const std::vector<bool> present = store_.present(ObjectKind::Data, looked_);
    for (std::size_t i = 0; i < looked_.size(); ++i)
      if (!present[i])
        bad_.chunks[key_of(looked_[i], lengths_[i])] =
            "chunk " + looked_[i].hex() + " is missing, or stands only where the store is damaged";
    looked_.clear();
    lengths_.clear();
  }

  static constexpr std::size_t kLookedAtOnce = 8192;

  store::Store& store_;
  bool content_;
  VerifyTotals& totals_;
  Bad& bad_;
  const Progress& progress_;
  DiskMap seen_directories_, seen_chunks_;
  std::vector<ChunkId> nodes_, looked_;
  std::vector<std::uint64_t> lengths_;
  ChunkWindow window_;
};

// Archives as the streams that their clients hashed: good chunks in a wrong order are noticed here only.
// Equal archives of several snapshots are read once.
class ArchiveReader {
 public:
  ArchiveReader(store::Store& store, Bad& bad) : store_(store), bad_(bad) {}
  void check(const store::SnapshotRecord& snapshot) {
    if (snapshot.archive_sha256.empty() || snapshot.root.type != EntryType::File) return;
    const auto [known, is_new] = seen_.try_emplace(what_it_lists(snapshot));
    if (is_new) known->second = wrong_with(snapshot);
    if (!known->second.empty()) bad_.archives[snapshot.id] = known->second;
  }

 private:
  static std::string what_it_lists(const store::SnapshotRecord& snapshot) {
    std::string out = snapshot.archive_sha256 + " " + std::to_string(snapshot.root.size);
    for (const Extent& e : snapshot.root.content)
      out += " " + std::to_string(e.bytes) + " " + e.id.hex() + e.inline_data;
    return Sha256::of(out).hex();
  }
  std::string wrong_with(const store::SnapshotRecord& snapshot) {
    Sha256 hash;
    const std::string damage = stream_content(
        store_, snapshot.root, [&](std::string_view bytes) { hash.update(bytes); }, false);
    if (!damage.empty()) return damage;
    const std::string found = hash.finish().hex();
    if (found == snapshot.archive_sha256) return {};
    return "the archive's SHA-256 is " + found + ", its client computed " + snapshot.archive_sha256;
  }

  store::Store& store_;
  Bad& bad_;
  std::unordered_map<std::string, std::string> seen_;  // what is wrong; "" when nothing
};

// Sealed snapshots, as far as anybody can check them without their key: everything that they lead to is there
// and hashes to its identity.  What is damaged has no path here.
class SealedReader {
 public:
  SealedReader(store::Store& store, bool content, VerifyTotals& totals, const Problem& problem)
      : store_(store), content_(content), totals_(totals), problem_(problem), checked_(store.scratch()) {}
  void check(const store::SnapshotRecord& snapshot) {
    DiskMap visited(store_.scratch());
    ++totals_.sealed;
    const auto tell = [&](const std::string& reason) { problem_(snapshot, "", reason); };
    try {
      store::for_each_reachable(store_, snapshot.root, visited, [&](ObjectKind kind, const ChunkId& id) {
        if (kind == ObjectKind::Data) look(id);
        const auto bad = bad_.find(id);
        if (bad != bad_.end()) tell(bad->second);
      });
    } catch (const Error& error) {
      if (error.kind() != Kind::Corrupt) throw;
      tell(error.what());  // and what is below, nobody knows
    }
  }

 private:
  void look(const ChunkId& id) {
    if (checked_.size() >= kRemembered) checked_ = DiskMap(store_.scratch());
    if (!checked_.insert(id.view())) return;
    try {
      if (!content_) {
        if (!store_.present(ObjectKind::Data, {&id, 1})[0])
          bad_[id] = "chunk " + id.hex() + " is missing, or stands only where the store is damaged";
        return;
      }
      totals_.bytes += store_.read(ObjectKind::Data, id).size();
      ++totals_.chunks;
    } catch (const Error& error) {
      if (error.kind() != Kind::Corrupt) throw;
      bad_[id] = error.what();
    }
  }

  store::Store& store_;
  bool content_;
  VerifyTotals& totals_;
  const Problem& problem_;
  DiskMap checked_;
  std::unordered_map<ChunkId, std::string> bad_;
};

// Second walk: every path of one snapshot that names something damaged.
class Namer final : public Visitor {
 public:
  Namer(store::Store& store, const Bad& bad, const store::SnapshotRecord& snapshot, const Problem& problem)
      : store_(store), bad_(bad), snapshot_(snapshot), problem_(problem) {}
  bool enter(const std::string&, const Entry&) override { return true; }
  void leave(const std::string&, const Entry&) override {}
  void damaged(const std::string& path, const Error& error) override {
    problem_(snapshot_, path, std::string("this folder cannot be read completely: ") + error.what());
  }
  void entry(const std::string& path, const Entry& entry) override {
    if (entry.type != EntryType::File || entry.unreadable) return;
    std::uint64_t length = 0;
    std::string reason;
    try {
      store::for_each_extent(store_, entry, [&](const Extent& extent) {
        length += extent.bytes;
        if (!reason.empty() || extent.kind != Extent::Kind::Chunk) return;
        const auto bad = bad_.chunks.find(key_of(extent.id, extent.bytes));
        if (bad != bad_.chunks.end()) reason = bad->second;
      });
      if (reason.empty() && length != entry.size)
        reason = "its recorded content has another length than its size";
      const auto archive = bad_.archives.find(snapshot_.id);
      if (reason.empty() && archive != bad_.archives.end()) reason = archive->second;
    } catch (const Error& error) {
      if (error.kind() != Kind::Corrupt) throw;
      reason = error.what();
    }
    if (!reason.empty()) problem_(snapshot_, path, reason);
  }

 private:
  store::Store& store_;
  const Bad& bad_;
  const store::SnapshotRecord& snapshot_;
  const Problem& problem_;
};

}  // namespace

VerifyTotals verify_snapshots(store::Store& store, const std::vector<const store::SnapshotRecord*>& chosen,
                              bool content, const Problem& problem,
                              const std::function<void(std::uint64_t)>& progress) {
  VerifyTotals totals;
  SealedReader sealed(store, content, totals, problem);
  std::vector<const store::SnapshotRecord*> snapshots;
  for (const store::SnapshotRecord* snapshot : chosen) {
    if (snapshot->sealed_root.empty())
      snapshots.push_back(snapshot);
    else
      sealed.check(*snapshot);
  }
  totals.snapshots = chosen.size();
  Bad bad;
  Reader reader(store, content, totals, bad, progress);
  for (const store::SnapshotRecord* snapshot : snapshots) {
    (void)walk(store, snapshot->root, {}, reader);
  }
  reader.flush();
  ArchiveReader archives(store, bad);
  for (const store::SnapshotRecord* snapshot : snapshots) {
    if (content) archives.check(*snapshot);
  }
  if (!bad.any()) return totals;
  for (const store::SnapshotRecord* snapshot : snapshots) {
    Namer namer(store, bad, *snapshot, problem);
    (void)walk(store, snapshot->root, {}, namer);
  }
  return totals;
}

}  // namespace bk::bkdb
