#include "server/store/mark.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/path/names.h"
#include "common/text/escape.h"
#include "server/store/checkpoint_folder.h"
#include "server/store/possession.h"
#include "server/store/reach.h"
#include "server/store/writers.h"

#include <map>
#include <utility>

namespace bk::store {
namespace {

constexpr std::size_t kSorterMemory = 64U << 20U;
constexpr std::size_t kVisitedMemory = 32U << 20U;
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

// Walks one root after another; what was seen below an earlier one is not entered again.
class Walk {
 public:
  explicit Walk(StoreImpl& store)
      : store_(store),
        visited_(store.scratch(), kVisitedMemory),
        sorter_(std::make_shared<SpillFile>(store.scratch()), kSorterMemory) {}
  void from(const Entry& root) {
    for_each_reachable(store_, root, visited_, [&](ObjectKind, const ChunkId& id) {
      const Key key = key_of(store_.id(), id);
      sorter_.add({reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size()});
    });
  }
  void from_node(const ChunkId& node) {
    Entry root;
    root.type = EntryType::Directory;
    root.node = node;
    from(root);
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

// Nodes that checkpoints lead to, and that living writers have pinned, each with what to call it.
std::map<ChunkId, std::string> unfinished_now(StoreImpl& store) {
  std::map<ChunkId, std::string> out;
  for (const ChunkId& node : WriterRoll(store.layout()).pinned(store.id())) out[node] = "a running backup: ";
  for (const std::string& client : list_clients(store.layout()))
    for (const CheckpointRecord& checkpoint : CheckpointFolder(store.layout(), client).all())
      out[checkpoint.node] = "a checkpoint of " + quoted(client) + ": ";
  return out;
}

// A writer that goes on from a checkpoint pins it, replaces it, commits its snapshot, and ends: looked at
// once, what it leads to could be missed at each of these places.  Two equal looks miss nothing but what is
// committed by then; so snapshots are read after this.
std::map<ChunkId, std::string> unfinished(StoreImpl& store) {
  std::map<ChunkId, std::string> all, before;
  for (int look = 0; look < kLooks; ++look) {
    std::map<ChunkId, std::string> now = unfinished_now(store);
    all.insert(now.begin(), now.end());
    if (look > 0 && now == before) return all;
    before = std::move(now);
  }
  throw Error(Kind::Transient, "running backups save checkpoints too fast to be seen; run clean again");
}

}  // namespace

Marked mark(StoreImpl& store, const SeenLines& seen) {
  Walk walk(store);
  Marked out;
  std::map<ChunkId, std::string> nodes;
  must_read("a running backup: ", [&] { nodes = unfinished(store); });
  for (const std::string& client : list_clients(store.layout())) {
    const auto known = seen.find(client);
    std::vector<SnapshotRecord> roots;
    must_read("", [&] {
      roots =
          SnapshotLog(store.layout(), store.id(), client).leading(known == seen.end() ? 0 : known->second);
    });
    for (const SnapshotRecord& record : roots)
      must_read("snapshot " + record.id.substr(0, 12) + " of " + quoted(client) + ": ",
                [&] { walk.from(record.root); });
    out.snapshots += roots.size();
  }
  for (const auto& [node, name] : nodes) must_read(name, [&, at = node] { walk.from_node(at); });
  out.keys = walk.finish();
  return out;
}

}  // namespace bk::store
