#include "server/store/index.h"

#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/io/temporary.h"
#include "common/text/document.h"
#include "common/text/escape.h"
#include "server/store/scan.h"

#include <algorithm>
#include <utility>

namespace bk::store {
namespace {

constexpr std::uint64_t kWorthARun = 4U << 20U;    // bytes of a journal: read and decoded in about 20 ms
constexpr std::size_t kMaxLiveChunks = 1U << 17U;  // of one journal in memory: about 12 MiB
constexpr std::size_t kEntriesPerRun = 1U << 18U;  // 8 MiB of memory while rebuilding

std::string index_header(const StoreId& store) {
  Document doc("bk-index", 1);
  doc.add("store", hex_encode({reinterpret_cast<const char*>(store.data()), store.size()}));
  return doc.write();
}

std::unique_ptr<ObjectReader> open_pack(const Layout& layout, std::uint64_t number) {
  std::unique_ptr<ObjectReader> pack = layout.storage->open(Layout::pack_object(number));
  if (!pack) throw Error(Kind::Corrupt, shown_pack(number) + " is missing");
  return pack;
}

}  // namespace

std::uint64_t scan_pack(ObjectReader& in, const PackRef& pack,
                        const std::function<void(const IndexEntry&)>& sink) {
  GroupDecoder decoder;
  PackScan scan(in, pack);
  do {
    while (const std::optional<ScannedRecord> record = scan.next(false)) {
      if (record->head.type != RecordType::Group) continue;
      try {
        const std::vector<StoredChunk> chunks = chunks_of(in, *record, decoder);
        for (std::size_t i = 0; i < chunks.size(); ++i)
          sink({key_of(chunks[i].id), Location{pack.number, static_cast<std::uint32_t>(record->offset),
                                               static_cast<std::uint16_t>(i), chunks[i].kind}});
      } catch (const Error& error) {
        if (error.kind() != Kind::Corrupt) throw;
      }
    }
  } while (!scan.reason().empty() && scan.skip_to_next());
  return scan.offset();
}

std::vector<std::uint64_t> all_packs(const Layout& layout) {
  std::vector<std::uint64_t> out;
  for_each_object(*layout.storage, Layout::kPackObjects, [&](const ListedObject& object) {
    if (const auto number = pack_number(base_name(object.name))) out.push_back(*number);
    return true;
  });
  std::sort(out.begin(), out.end());
  return out;
}

Index::Index(const Layout& layout, const StoreId& store)
    : layout_(layout),
      store_(store),
      runs_(layout.runs(), store, RunKind::Located),
      live_(layout, store),
      damage_(layout.index + "/damaged") {}

bool Index::usable() const {
  const std::optional<std::string> header = try_read_file(layout_.index_header(), 65536);
  return header && *header == index_header(store_);
}

void Index::open() {
  ensure_directory(layout_.runs());
  (void)remove_abandoned_in(layout_.index);
  try {
    if (usable()) {
      runs_.reload();
      refresh();
      return;
    }
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;  // a damaged run: below
  }
  const FileLock lock = FileLock::exclusive(layout_.index_lock());
  try {
    if (usable()) {  // somebody else rebuilt it while we waited
      runs_.reload();
      refresh();
      return;
    }
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
  }
  rebuild_locked({});
}

std::vector<Location> Index::find(ObjectKind kind, const ChunkId& id) const {
  return find(kind, store_.stored(id));
}

std::vector<Location> Index::find(ObjectKind kind, const StoredId& id) const {
  std::vector<Location> out;
  const Key key = key_of(id);
  live_.find(key, [&](const Location& where) {
    if (where.kind == kind) out.push_back(where);
  });
  runs_.find(key, [&](const Run& run, std::uint64_t i) {
    const Location where = run.location(i);
    if (where.kind == kind) out.push_back(where);
  });
  return out;
}

void Index::open_to_read() {
  const auto refuse = [&](const std::string& why) {
    throw Error(Kind::Config, "the index " + quoted(layout_.index) + " cannot be used: " + why +
                                  "; `bkdb build` makes it anew");
  };
  if (!usable()) refuse("it is missing, or that of another store");
  try {
    runs_.reload();
    refresh();
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
    refuse(error.what());
  }
}

void Index::find_many(std::span<const ChunkId> ids,
                      const std::function<void(std::size_t, const Location&)>& sink) const {
  std::vector<Key> keys;
  keys.reserve(ids.size());
  for (const ChunkId& id : ids) keys.push_back(key_of(store_, id));
  for (std::size_t i = 0; i < keys.size(); ++i)
    live_.find(keys[i], [&](const Location& where) { sink(i, where); });
  runs_.find_many(
      keys, [&](std::size_t i, const Run& run, std::uint64_t record) { sink(i, run.location(record)); });
}

std::vector<bool> Index::contains(ObjectKind kind, std::span<const ChunkId> ids) const {
  std::vector<bool> out(ids.size(), false);
  find_many(ids, [&](std::size_t i, const Location& where) {
    if (where.kind == kind && !out[i]) out[i] = may_name(key_of(store_, ids[i]), where);
  });
  return out;
}

bool Index::contains(ObjectKind kind, const ChunkId& id) const {
  const std::vector<Location> found = find(kind, id);
  return std::any_of(found.begin(), found.end(),
                     [&](const Location& where) { return may_name(key_of(store_, id), where); });
}

bool Index::contains(const ChunkId& id) const {
  const Key key = key_of(store_, id);
  bool there = false;
  const auto look = [&](const Location& where) { there = there || may_name(key, where); };
  live_.find(key, look);
  if (!there) runs_.find(key, [&](const Run& run, std::uint64_t i) { look(run.location(i)); });
  return there;
}

void Index::load_condemned() {
  condemned_ = Condemned::load(layout_, store_);
  runs_.reload();
  refresh();
}

void Index::purge() {
  const FileLock lock = FileLock::exclusive(layout_.index_lock());
  runs_.reload();
  runs_.purge();
}

void Index::refresh() {
  damage_.refresh();
  bool reloaded = false;
  live_.refresh([&](std::uint64_t number) {
    if (!std::exchange(reloaded, true)) runs_.reload();
    return runs_.covered(number);
  });
}

bool Index::crowded(std::uint64_t number) const { return live_.uncovered(number).chunks >= kMaxLiveChunks; }

void Index::cover(std::uint64_t number) {
  refresh();
  const LiveJournals::Uncovered news = live_.uncovered(number);
  if (news.bytes < kWorthARun && news.chunks < kMaxLiveChunks) return;
  runs_.add_located(live_.entries(number), {{number, news.end}});
  live_.covered(number);
}

void Index::index_packs(const std::vector<std::uint64_t>& numbers, const Progress& progress) {
  std::uint64_t all = 0, done = 0;
  if (progress) {
    for (const std::uint64_t number : numbers) all += open_pack(layout_, number)->size();
  }
  std::vector<IndexEntry> entries;
  std::vector<Coverage> packs;
  for (const std::uint64_t number : numbers) {
    const auto pack = open_pack(layout_, number);
    done += scan_pack(*pack, {store_, number}, [&](const IndexEntry& entry) { entries.push_back(entry); });
    packs.push_back({number, kWholePack});
    if (progress) progress(std::min(done, all), all);
    if (entries.size() < kEntriesPerRun && number != numbers.back()) continue;
    runs_.add_located(std::exchange(entries, {}), std::exchange(packs, {}));
    runs_.merge();
  }
}

bool Index::reconcile() {
  const FileLock lock = FileLock::exclusive(layout_.index_lock());
  runs_.reload();
  std::vector<std::uint64_t> missing;
  for (const std::uint64_t number : all_packs(layout_)) {
    if (runs_.covered(number) != kWholePack) missing.push_back(number);
  }
  index_packs(missing, {});
  return !missing.empty();
}

void Index::retire(std::uint64_t number) {
  refresh();
  if (runs_.covered(number) == kWholePack) return;
  runs_.add_located(live_.entries(number), {{number, kWholePack}});
  live_.forget(number);
}

void Index::merge_if_idle(std::uint64_t most) {
  if (runs_.runs().size() < 8) return;
  const std::optional<FileLock> lock = FileLock::try_exclusive(layout_.index_lock());
  if (!lock) return;
  runs_.reload();
  runs_.merge(most);
}

void Index::rebuild(const Progress& progress) {
  const FileLock lock = FileLock::exclusive(layout_.index_lock());
  rebuild_locked(progress);
}

// The header goes first and comes last: an interrupted rebuild begins anew.  No clean meanwhile: it would
// delete what was just indexed.
void Index::rebuild_locked(const Progress& progress) {
  ensure_directory(layout_.writers());
  const FileLock no_clean = FileLock::exclusive(layout_.clean_lock());
  remove_durably(layout_.index_header());
  crash_point("store.rebuild-begun");
  remove_tree(layout_.runs());
  remove_tree(layout_.index + "/possession");
  remove_tree(layout_.condemned());
  ensure_directory(layout_.runs());
  runs_ = RunSet(layout_.runs(), store_, RunKind::Located);
  live_.clear();
  index_packs(all_packs(layout_), progress);
  crash_point("store.rebuild-packs");
  replace_durably(layout_.index_header(), index_header(store_));
  refresh();
}

}  // namespace bk::store
