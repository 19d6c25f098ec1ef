#include "server/store/mark.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/path/names.h"
#include "common/text/escape.h"
#include "server/store/checkpoint_folder.h"
#include "server/store/possession.h"
#include "server/store/reach.h"
#include "server/store/writers.h"

#include <set>

namespace bk::store {
namespace {

constexpr std::size_t kSorterMemory = 64U << 20U;
constexpr std::size_t kVisitedMemory = 32U << 20U;

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

Marked mark(StoreImpl& store, const SeenLines& seen) {
  Walk walk(store);
  Marked out;
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
    for (const CheckpointRecord& checkpoint : CheckpointFolder(store.layout(), client).all())
      must_read("a checkpoint of " + quoted(client) + ": ", [&] { walk.from_node(checkpoint.node); });
  }
  for (const ChunkId& node : WriterRoll(store.layout()).pinned(store.id()))
    must_read("a running backup: ", [&] { walk.from_node(node); });
  out.keys = walk.finish();
  return out;
}

}  // namespace bk::store
