// The part of Index that reads packs.
#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/text/document.h"
#include "common/text/escape.h"
#include "server/store/bad_sectors.h"
#include "server/store/index.h"
#include "server/store/pack_team.h"
#include "server/store/possession.h"
#include "server/store/scan.h"

#include <algorithm>
#include <utility>

namespace bk::store {
namespace {

constexpr std::size_t kEntriesPerRun = 1U << 18U;  // 10 MiB of memory
constexpr std::uint64_t kMaxTextBytes = 65536;

std::string text_of(const char* format, const StoreId& store) {
  Document doc(format, 1);
  doc.add("store", hex_encode({reinterpret_cast<const char*>(store.data()), store.size()}));
  return doc.write();
}
std::string header_text(const StoreId& store) { return text_of("bk-index", store); }
std::string building_text(const StoreId& store) { return text_of("bk-index-building", store); }

void give_chunks(ObjectReader& in, const ScannedRecord& record, GroupDecoder& decoder,
                 std::vector<IndexEntry>& into) {
  if (record.head.type != RecordType::Group) return;
  try {
    const std::vector<StoredChunk> chunks = chunks_of(in, record, decoder);
    for (std::size_t i = 0; i < chunks.size(); ++i)
      into.push_back(
          {key_of(chunks[i].id), Location{record.pack.number, static_cast<std::uint32_t>(record.offset),
                                          static_cast<std::uint16_t>(i), chunks[i].kind}});
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;  // what is damaged is left out
  }
}

// What was read and stands in no run yet.
struct Portion {
  std::vector<IndexEntry> entries;
  std::vector<Coverage> packs;
};

// Calls `full` whenever the portion has so many entries, also in mid-pack: one of tiny chunks holds very
// many. A pack that cannot be read whole is covered up to there, so that it is read again another time; what
// else can be read of it is known meanwhile.
void read_pack(ObjectReader& file, const PackRef& pack, std::uint64_t from, std::size_t most,
               Portion& portion, BadSectors& bad, const std::function<void()>& full) {
  GroupDecoder decoder;
  PatientReader in(file, bad);
  const auto upto = [&](std::uint64_t place) { return bad.empty() ? place : std::min(place, bad.first()); };
  PackScan scan(in, pack, std::max<std::uint64_t>(kPackHeaderBytes, from));
  do {
    while (const std::optional<ScannedRecord> record = scan.next(false)) {
      give_chunks(in, *record, decoder, portion.entries);
      if (portion.entries.size() < most) continue;
      portion.packs.push_back({pack.number, upto(record->end)});
      full();
    }
  } while (!scan.reason().empty() && scan.skip_to_next());
  portion.packs.push_back({pack.number, upto(kWholePack)});
  if (portion.entries.size() >= most / 2) full();
}

}  // namespace

std::vector<std::uint64_t> all_packs(const Layout& layout) {
  std::vector<std::uint64_t> out;
  for_each_object(*layout.storage, Layout::kPackObjects, [&](const ListedObject& object) {
    if (const auto number = pack_number(base_name(object.name))) out.push_back(*number);
    return true;
  });
  std::sort(out.begin(), out.end());
  return out;
}

bool Index::usable() const {
  const std::optional<std::string> header = read_if_readable(layout_.index_header(), kMaxTextBytes);
  return header && *header == header_text(store_);
}

// Each portion becomes a run: what was read is not read again after a kill.
std::size_t Index::index_packs(const Progress& progress) {
  std::vector<std::uint64_t> numbers;
  std::uint64_t all = 0, done = 0;
  for_each_object(*layout_.storage, Layout::kPackObjects, [&](const ListedObject& object) {
    const auto number = pack_number(base_name(object.name));
    if (!number) return true;
    all += object.bytes;
    if (runs_.covered(*number) == kWholePack)
      done += object.bytes;
    else
      numbers.push_back(*number);
    return true;
  });
  std::vector<Portion> portions(team_size(numbers.size()));
  const auto write = [&](Portion& portion) {
    if (portion.packs.empty()) return;
    runs_.add_located(std::exchange(portion.entries, {}), std::exchange(portion.packs, {}));
    runs_.merge();
    crash_point("store.rebuild-portion");
  };
  const std::size_t most = kEntriesPerRun / portions.size();
  std::size_t read = 0;
  work_off(numbers, portions.size(), [&](std::size_t member, std::uint64_t number, auto& lock) {
    if (unread_.contains(number)) return;
    Portion& portion = portions[member];
    const std::uint64_t from = runs_.covered(number);
    const std::string name = Layout::pack_object(number);
    const std::string cannot = "the pack " + quoted(layout_.storage->shown(name)) + " cannot be ";
    std::string problem;
    BadSectors bad;
    lock.unlock();
    const std::unique_ptr<ObjectReader> in = open_if_readable(*layout_.storage, name, &problem);
    try {
      if (in)
        read_pack(*in, {store_, number}, from, most, portion, bad, [&] {
          lock.lock();
          write(portion);
          lock.unlock();
        });
    } catch (const Error& error) {
      if (error.kind() != Kind::NotFound) throw;  // cleaned away since it was opened
      portion.packs.push_back({number, from});
    }
    lock.lock();
    if (!problem.empty()) unread_[number] = cannot + "opened: " + problem;
    if (!in) return;  // or cleaned away since, or in a wrong folder: a check names it
    ++read;
    if (!bad.empty()) unread_[number] = cannot + "read " + bad.text();
    done += in->size();
    if (progress) progress(std::min(done, all), all);
  });
  for (Portion& portion : portions) write(portion);
  return read;
}

void Index::read_again(const std::vector<std::uint64_t>& packs) {
  const FileLock lock = FileLock::exclusive(layout_.index_lock());
  runs_.reload();
  Portion portion;
  const auto write = [&] {
    if (!portion.packs.empty())
      runs_.add_located(std::exchange(portion.entries, {}), std::exchange(portion.packs, {}));
  };
  for (const std::uint64_t number : packs) {
    BadSectors bad;
    if (const std::unique_ptr<ObjectReader> in = layout_.storage->open(Layout::pack_object(number)))
      read_pack(*in, {store_, number}, 0, kEntriesPerRun, portion, bad, write);
  }
  write();
  runs_.merge();
}

void Index::catch_up() {
  { const FileLock lock = FileLock::exclusive(layout_.index_lock()); }
  reload_runs();
}

void Index::reconcile() {
  {
    const FileLock lock = FileLock::exclusive(layout_.index_lock());
    runs_.reload();
    (void)index_packs({});
  }
  reload_runs();
}

// Always taken before the index's own: a clean takes both in this order.
FileLock Index::lock_out_clean() const {
  ensure_directory(layout_.writers());
  return FileLock::exclusive(layout_.clean_lock());
}

void Index::rebuild(const Progress& progress, bool anew) {
  const FileLock no_clean = lock_out_clean();
  const FileLock lock = FileLock::exclusive(layout_.index_lock());
  rebuild_locked(progress, anew);
}

// Whether the runs are what an interrupted rebuild wrote.
bool Index::may_go_on() {
  try {
    const std::optional<std::string> building = try_read_file(layout_.index_building(), kMaxTextBytes);
    if (!building || *building != building_text(store_)) return false;
    ensure_directory(layout_.runs());
    runs_.reload();
    return std::all_of(runs_.runs().begin(), runs_.runs().end(),
                       [](const auto& run) { return run->intact(); });
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt && !is_media_error(error)) throw;
    return false;
  }
}

// A writer that stores meanwhile looks, under the same lock, whether the runs still know what it told them.
void Index::empty() {
  const FileLock emptying = FileLock::exclusive(layout_.index_emptying());
  ensure_directory(layout_.runs());
  for (const std::string& name : list_directory(layout_.runs()))
    if (name.ends_with(".run")) remove_durably(layout_.runs() + "/" + name);
  remove_tree(layout_.condemned());
  runs_ = no_runs();
  live_.clear();
}

// `building` stands only when everything older is gone, so what lies beside it is of this rebuild, or of
// writers that were at work meanwhile.
void Index::begin_rebuild() {
  remove_durably(layout_.index_building());
  remove_durably(layout_.index_header());
  crash_point("store.rebuild-begun");
  empty();
  ClientPossession::distrust_all(layout_);
  replace_durably(layout_.index_building(), building_text(store_));
  crash_point("store.rebuild-emptied");
}

void Index::rebuild_locked(const Progress& progress, bool anew) {
  unread_.clear();
  if (anew || !may_go_on()) begin_rebuild();
  // A writer whose run was emptied away may have given its pack a name since.
  while (index_packs(progress) > 0) {
  }
  crash_point("store.rebuild-packs");
  replace_durably(layout_.index_header(), header_text(store_));
  refresh();
}

// Of one that was killed when all packs were read: a later one has to read them all.
void Index::forget_finished_rebuild() const {
  if (!path_exists(layout_.index_building())) return;
  try {
    const std::optional<FileLock> no_rebuild = FileLock::try_exclusive(layout_.clean_lock());
    if (no_rebuild && usable()) remove_durably(layout_.index_building());
  } catch (const Error&) {
    // Who may not write.
  }
}

void Index::end_rebuild() { remove_durably(layout_.index_building()); }

}  // namespace bk::store
