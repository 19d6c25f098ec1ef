#include "server/store/mark.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/path/names.h"
#include "common/text/escape.h"
#include "server/store/checkpoint_folder.h"
#include "server/store/counting.h"
#include "server/store/possession.h"
#include "server/store/reach.h"
#include "server/store/writers.h"

#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace bk::store {
namespace {

constexpr std::size_t kSorterMemory = 64U << 20U;
constexpr std::size_t kVisitedMemory = 32U << 20U;
constexpr std::size_t kLookedUpTogether = 4096;
constexpr int kLooks = 100;  // at what is being pulled, until two are equal

[[noreturn]] void refuse(const std::string& why) {
  throw Error(Kind::Refused, "nothing is cleaned, because what has to stay is not sure: " + why +
                                 "; `bkdb verify` tells more");
}

// Turns damage into a refusal that says what it was.
template <class Body>
void must_read(const std::string& what, const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt && error.kind() != Kind::Protocol) throw;
    refuse(what + error.what());
  }
}

void check_clients(const Layout& layout) {
  for (const std::string& name : list_directory(layout.snapshots())) {
    if (!is_safe_name(name) || !is_directory(layout.snapshots() + "/" + name))
      refuse(quoted(layout.snapshots() + "/" + name) + " is no client's folder");
  }
  // A client whose records are missing as a whole: the index remembers it.
  for (const std::string& name : ClientPossession::remembered(layout)) {
    if (is_directory(layout.snapshots() + "/" + name)) continue;
    refuse("client " + quoted(name) + " had snapshots, and " + quoted(layout.snapshots() + "/" + name) +
           " is missing (if that was meant, remove " + quoted(layout.possession(name)) + ")");
  }
}

std::shared_ptr<SpillFile> spill_file(StoreImpl& store) {
  return std::make_shared<SpillFile>(store.scratch());
}

// Walks one root after another; what was seen below an earlier one is not entered again.
class Walk {
 public:
  explicit Walk(StoreImpl& store)
      : store_(store), visited_(store.scratch(), kVisitedMemory), sorter_(spill_file(store), kSorterMemory) {}
  // Not below what these counts name; null: there are none.
  void from(const Entry& root, const Counts* counts) {
    std::function<bool(const ChunkId&)> known;
    if (counts != nullptr) known = [&](const ChunkId& id) { return counts->names(key_of(store_.id(), id)); };
    for_each_reachable(
        store_, root, visited_,
        [&](ObjectKind, const ChunkId& id) { sorter_.add(bytes_of(key_of(store_.id(), id))); }, known);
  }
  [[nodiscard]] SortedRecords finish() { return sorter_.finish(); }

 private:
  StoreImpl& store_;
  DiskMap visited_;
  Sorter sorter_;
};

}  // namespace

SeenLines check_roots(StoreImpl& store) {
  check_clients(store.layout());
  SeenLines seen;
  for (const std::string& client : list_clients(store.layout())) {
    const auto problem = [](const PackProblem& found) { refuse(found.text); };
    SnapshotLog log(store.layout(), store.id(), client);
    log.repair();
    const FileLock lock = FileLock::exclusive(store.layout().snapshots() + "/" + client + "/lock");
    seen[client] = log.line_count();
    log.check(problem);
    CheckpointFolder(store.layout(), client).check(problem);
  }
  return seen;
}

namespace {

// A node from which something unfinished goes on, what to call that, and whose checkpoint it is.
struct Unfinished {
  std::string name, client;
  bool operator==(const Unfinished&) const = default;
};
using UnfinishedNodes = std::map<ChunkId, Unfinished>;

// Nodes that checkpoints lead to, and that living writers have pinned.
UnfinishedNodes unfinished_now(StoreImpl& store) {
  UnfinishedNodes out;
  for (const ChunkId& node : WriterRoll(store.layout()).pinned(store.id()))
    out[node] = {"a running backup: ", {}};
  for (const std::string& client : list_clients(store.layout()))
    for (const CheckpointRecord& checkpoint : CheckpointFolder(store.layout(), client).all())
      out[checkpoint.node] = {"a checkpoint of " + quoted(client) + ": ", client};
  return out;
}

// A writer that goes on from a checkpoint pins it, replaces it, commits its snapshot, and ends: looked at
// once, what it leads to could be missed at each of these places.  Two equal looks miss nothing but what is
// committed by then; so snapshots are read after this.
UnfinishedNodes unfinished(StoreImpl& store) {
  UnfinishedNodes all, before;
  for (int look = 0; look < kLooks; ++look) {
    UnfinishedNodes now = unfinished_now(store);
    all.insert(now.begin(), now.end());
    if (look > 0 && now == before) return all;
    before = std::move(now);
  }
  throw Error(Kind::Transient, "running backups save checkpoints too fast to be seen; run clean again");
}

std::uint64_t line_of(const SeenLines& seen, const std::string& client) {
  const auto at = seen.find(client);
  return at == seen.end() ? 0 : at->second;
}

// The client's counts at exactly this line.
std::optional<Counts> counts_at(StoreImpl& store, const std::string& client, std::uint64_t line,
                                bool verify) {
  std::optional<Counts> out;
  must_read("", [&] {
    out = verify ? usable_counts(store, client, line) : Counts::load(store.layout(), store.id(), client);
  });
  return out && out->state().line == line ? std::move(out) : std::nullopt;
}

Counts required_counts(StoreImpl& store, const std::string& client, std::uint64_t line) {
  std::string problem = "they are of another line";
  std::optional<Counts> out = Counts::load(store.layout(), store.id(), client, 0, &problem);
  if (!out || out->state().line != line)
    throw Error(Kind::Io, "the counts of " + quoted(client) + " cannot be used any more (" + problem +
                              "); run clean again");
  return *std::move(out);
}

}  // namespace

void count_all(StoreImpl& store, const SeenLines& seen, bool anew) {
  for (const auto& [client, line] : seen)
    must_read("", [&, &name = client, at = line] { (void)count_to(store, name, at, anew); });
}

SortedRecords beside_counts(StoreImpl& store, const SeenLines& seen, bool verify) {
  Walk walk(store);
  UnfinishedNodes nodes;
  must_read("a running backup: ", [&] { nodes = unfinished(store); });
  for (const std::string& client : list_clients(store.layout())) {
    const std::uint64_t line = line_of(seen, client);
    const std::optional<Counts> counts = counts_at(store, client, line, verify);
    const Counts* const known = counts ? &*counts : nullptr;
    const SnapshotLog log(store.layout(), store.id(), client);
    std::vector<SnapshotRecord> roots;
    must_read("", [&] {
      roots = log.made(line);
      if (known != nullptr) return;
      for (SnapshotRecord& record : log.leading(line)) roots.push_back(std::move(record));
    });
    for (const SnapshotRecord& record : roots)
      must_read("snapshot " + record.id.substr(0, 12) + " of " + quoted(client) + ": ",
                [&] { walk.from(record.root, known); });
    for (const auto& [node, of] : nodes) {
      if (of.client == client) must_read(of.name, [&, &at = node] { walk.from(directory_of(at), known); });
    }
  }
  for (const auto& [node, of] : nodes) {
    if (of.client.empty()) must_read(of.name, [&, &at = node] { walk.from(directory_of(at), nullptr); });
  }
  return walk.finish();
}

SortedRecords all_needed(StoreImpl& store, const SeenLines& seen) {
  Sorter keys(spill_file(store), kSorterMemory);
  SortedRecords beside = beside_counts(store, seen, false);
  while (const std::optional<std::string_view> key = beside.next()) keys.add(*key);
  for (const auto& [client, line] : seen)
    required_counts(store, client, line).for_each([&](const Key& key, std::int64_t count) {
      if (count > 0) keys.add(bytes_of(key));
    });
  return keys.finish();
}

Unnamed unnamed_keys(StoreImpl& store, const SeenLines& seen) {
  Unnamed out;
  Sorter keys(spill_file(store), kSorterMemory);
  for (const auto& [client, line] : seen)
    required_counts(store, client, line).for_each_unnamed([&](const Key& key) { keys.add(bytes_of(key)); });
  out.keys = keys.finish();
  Sorter needed(spill_file(store), kSorterMemory);
  SortedRecords beside = beside_counts(store, seen, false);
  while (const std::optional<std::string_view> key = beside.next()) needed.add(*key);
  for (const auto& [client, line] : seen) {
    const Counts counts = required_counts(store, client, line);
    std::vector<Key> batch;
    const auto look_up = [&] {
      const std::vector<std::int64_t> found = counts.of(batch);
      for (std::size_t i = 0; i < batch.size(); ++i)
        if (found[i] > 0) needed.add(bytes_of(batch[i]));
      batch.clear();
    };
    out.keys.rewind();
    while (const std::optional<std::string_view> key = out.keys.next()) {
      batch.push_back(key_from(*key));
      if (batch.size() == kLookedUpTogether) look_up();
    }
    look_up();
  }
  out.keys.rewind();
  out.needed = needed.finish();
  return out;
}

}  // namespace bk::store
