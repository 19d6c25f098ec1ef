#include "server/store/usage.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/path/names.h"
#include "common/spill/sorter.h"
#include "server/store/place_record.h"
#include "server/store/usage_ledger.h"
#include "server/store/writer.h"

#include <cstring>
#include <vector>

namespace bk::store {
namespace {

constexpr std::size_t kSorterMemory = 16U << 20U;
constexpr std::size_t kLookedUpTogether = 4096;

// Where each of these chunks stands, at one place each.
SortedRecords places_of(StoreImpl& store, SortedRecords ids) {
  Sorter places(std::make_shared<SpillFile>(store.scratch()), kSorterMemory);
  std::vector<ChunkId> batch;
  const auto look_up = [&] {
    std::vector<bool> found(batch.size(), false);
    store.index().find_many(batch, [&](std::size_t i, const Location& where) {
      if (!found[i]) places.add(place_record(where));
      found[i] = true;
    });
    batch.clear();
  };
  while (const std::optional<std::string_view> next = ids.next()) {
    ChunkId id;
    std::memcpy(id.bytes.data(), next->data(), id.bytes.size());
    if (!batch.empty() && batch.back() == id) continue;
    if (batch.size() == kLookedUpTogether) look_up();
    batch.push_back(id);
  }
  look_up();
  return places.finish();
}

// Lengths of the chunks in groups that are asked for in the order of the disk.
class Lengths {
 public:
  explicit Lengths(StoreImpl& store) : reader_(store.layout(), store.id()) {}
  [[nodiscard]] std::uint64_t of(const Location& where) {
    if (where.pack != pack_ || where.offset != offset_) load(where.pack, where.offset);
    return where.position < lengths_.size() ? lengths_[where.position] : 0;
  }

 private:
  void load(std::uint64_t pack, std::uint32_t offset) {
    pack_ = pack;
    offset_ = offset;
    try {
      lengths_ = reader_.lengths(pack, offset);
    } catch (const Error& error) {
      if (error.kind() != Kind::Corrupt) throw;
      lengths_.clear();
    }
  }
  PackReader reader_;
  std::uint64_t pack_ = 0;
  std::uint32_t offset_ = 0;
  std::vector<std::uint32_t> lengths_;
};

}  // namespace

std::uint64_t needed_bytes(StoreImpl& store, const std::string& client) {
  Sorter ids(std::make_shared<SpillFile>(store.scratch()), kSorterMemory);
  walk_snapshots(store, client)(nullptr, [&](const ChunkId& id) { ids.add(id.view()); });
  SortedRecords places = places_of(store, ids.finish());
  Lengths lengths(store);
  std::uint64_t sum = 0;
  while (const std::optional<std::string_view> place = places.next()) sum += lengths.of(place_of(*place));
  return sum;
}

void count_usage(StoreImpl& store, const std::string& client) {
  UsageLedger ledger(store.layout().possession(client), store.id());
  const std::optional<UsageLedger::State> then = ledger.read();
  ensure_directory(store.layout().possession(client));
  ledger.count(needed_bytes(store, client), then);
}

void count_usages(StoreImpl& store) {
  const std::string folder = store.layout().index + "/possession";
  if (!is_directory(folder)) return;
  for (const std::string& name : list_directory(folder))
    if (is_safe_name(name) && path_exists(folder + "/" + name + "/" + std::string(kUsageFile)))
      count_usage(store, name);
}

}  // namespace bk::store
