#include "server/store/clean.h"

#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/storage/folder_storage.h"
#include "common/text/escape.h"
#include "server/store/bad_sectors.h"
#include "server/store/bytes.h"
#include "server/store/counting.h"
#include "server/store/place_record.h"
#include "server/store/possession.h"
#include "server/store/reserve.h"
#include "server/store/run_writer.h"
#include "server/store/usage.h"
#include "server/store/writer.h"

#include <sys/stat.h>

#include <algorithm>

namespace bk::store {
namespace {

constexpr std::size_t kSorterMemory = 64U << 20U;
constexpr std::uint64_t kCleanNeeds = 32U << 20U;  // bytes of free disk, before the reserve is given up
constexpr std::size_t kLookedUpTogether = 4096;
constexpr std::size_t kRemovedTogether = 256;          // packs in one note
constexpr std::uint64_t kCopiedTogether = 64U << 20U;  // bytes, before what was copied goes
constexpr std::uint64_t kSmallPack = kPackTargetBytes / 4;
constexpr std::size_t kManySmallPacks = 8;
// Without a removal hardly anything should go: rests of pulls that were given up.
constexpr std::uint64_t kUnexplainedPercent = 20, kUnexplainedChunks = 10000;

// 0 when it is gone.
std::uint64_t size_of(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
}

// What cannot be read is a refusal, or left as it is: it does not end a clean as a disk that is full does.
struct PastBadSectors {
  explicit PastBadSectors(bool& set) : flag(set), before(std::exchange(set, true)) {}
  PastBadSectors(const PastBadSectors&) = delete;
  PastBadSectors& operator=(const PastBadSectors&) = delete;
  ~PastBadSectors() { flag = before; }
  bool& flag;
  const bool before;
};

// The next pack of sorted places, with all of its chunks.
std::optional<std::pair<std::uint64_t, Unneeded>> next_pack(SortedRecords& places) {
  std::optional<std::pair<std::uint64_t, Unneeded>> out;
  while (const std::optional<std::string_view> next = places.peek()) {
    const Location where = place_of(*next);
    if (!out) out.emplace(where.pack, Unneeded{});
    if (out->first != where.pack) break;
    out->second.emplace(where.offset, where.position);
    (void)places.next();
  }
  return out;
}

}  // namespace

Cleaner::Cleaner(StoreImpl& store, const CleanOptions& options) : store_(store), options_(options) {
  ensure_directory(store.layout().writers());
  lock_ = FileLock::try_exclusive(store.layout().clean_lock());
  if (!lock_)
    throw Error(Kind::Transient, "another clean, or a rebuild of the index, is at work on this store");
  store_.index().load_condemned(true);
}

CleanTotals Cleaner::run() {
  const std::optional<std::string> given_up = try_read_file(given_up_file(store_.layout()));
  for (const std::string& client : list_clients(store_.layout()))
    possessions_[client] = ClientPossession::runs(store_.layout(), client);
  const SeenLines seen = check_roots(store_);
  finish_removals();
  if (!options_.pretend && !end_earlier()) return totals_;
  const WriterRoll roll(store_.layout());
  const std::uint64_t registrations = roll.registrations();
  const bool quiet = roll.living().empty();
  const bool all = count(seen) || given_up;
  Garbage garbage = find(seen, all);
  totals_.chunks = known_chunks(store_);
  totals_.unneeded = garbage.chunks;
  totals_.all = all;
  if (options_.pretend) return totals_;
  check_amount(garbage);
  seal_journals(garbage);
  count_usages(store_);  // what was put and not named is gone, or goes with what is condemned now
  if (garbage.chunks > 0) {
    condemn(garbage, seen);
    std::string problem;
    const std::unique_ptr<Condemned> condemned = Condemned::load(store_.layout(), store_.id(), &problem);
    if (!condemned)
      throw Error(Kind::Io, "what was condemned just now cannot be read: " + problem + "; run clean again");
    if (!condemned->terms().waits.empty()) {
      totals_.waits_for = condemned->terms().waits.size();
      return totals_;
    }
    if (quiet && roll.registrations() == registrations) {
      delete_condemned(*condemned, nullptr);
    } else {
      SortedRecords revived = beside_counts(store_, seen, false);
      delete_condemned(*condemned, &revived);
    }
  }
  if (try_read_file(given_up_file(store_.layout())) == given_up)
    remove_durably(given_up_file(store_.layout()));  // not what was given up since
  end(seen, all);
  regroup();
  if (options_.compress_level > 0) compress_anew();
  return totals_;
}

// Whether everything has to be compared.
bool Cleaner::count(const SeenLines& seen) {
  count_all(store_, seen, options_.recount);
  store_.index().refresh();
  store_.index().reload_runs();
  return options_.pretend || options_.all || options_.recount || SweepDue(store_, seen).due();
}

Garbage Cleaner::find(const SeenLines& seen, bool all) {
  if (all) {
    SortedRecords needed = all_needed(store_, seen);
    crash_point("store.clean.marked");
    store_.index().refresh();
    store_.index().reload_runs();
    return find_garbage(store_, needed);
  }
  Unnamed unnamed = unnamed_keys(store_, seen);
  crash_point("store.clean.marked");
  return find_garbage(store_, unnamed);
}

// What a killed clean has left: packs that no one finds any more.
void Cleaner::finish_removals() {
  for (const std::uint64_t number : store_.index().runs().removed_packs()) {
    store_.layout().storage->remove(Layout::parity_object(number));
    store_.layout().storage->remove(Layout::pack_object(number));
  }
}

// False while somebody whom an earlier clean waits for is still at work.
bool Cleaner::end_earlier() {
  const std::unique_ptr<Condemned> earlier = Condemned::load(store_.layout(), store_.id());
  if (!earlier) {
    Condemned::clear(store_.layout());
    return true;
  }
  const std::vector<std::string> living = WriterRoll(store_.layout()).living();
  for (const std::string& name : earlier->terms().waits)
    totals_.waits_for += static_cast<std::uint64_t>(std::count(living.begin(), living.end(), name));
  if (totals_.waits_for > 0) return false;
  // What is condemned was not counted then, and what is counted did not change since.
  SortedRecords revived = beside_counts(store_, earlier->terms().removals, true);
  delete_condemned(*earlier, &revived);
  return true;
}

void Cleaner::check_amount(const Garbage& garbage) {
  if (options_.expect) {
    if (*options_.expect == garbage.chunks) return;
    throw Error(Kind::Refused, "--expect " + std::to_string(*options_.expect) + ", but " +
                                   std::to_string(garbage.chunks) + " chunks would go; nothing was cleaned");
  }
  bool explained = garbage.chunks <= kUnexplainedChunks || path_exists(given_up_file(store_.layout()));
  for (const std::string& client : list_clients(store_.layout()))
    explained = explained || SnapshotLog(store_.layout(), store_.id(), client).has_removed_records();
  if (explained || garbage.chunks * 100 <= totals_.chunks * kUnexplainedPercent) return;
  throw Error(Kind::Refused,
              std::to_string(garbage.chunks) + " of " + std::to_string(totals_.chunks) +
                  " chunks would go, although no snapshot was removed and no backup refused since the last "
                  "clean; if that is right, say --expect " +
                  std::to_string(garbage.chunks));
}

// Journals that nobody owns become packs, so that what is in them can go, too, and has parity.  The fullest
// one stays as long as it would make a small pack: the next writer goes on with it.
void Cleaner::seal_journals(Garbage& garbage) {
  std::uint64_t spared = 0, fullest = 0;
  const std::vector<std::uint64_t> journals = list_packs(store_.layout().journals());
  for (const std::uint64_t number : journals) {
    const std::uint64_t bytes = size_of(store_.layout().journal(number));
    if (garbage.journals.contains(number) || bytes >= kSmallPack || bytes <= fullest) continue;
    spared = number;
    fullest = bytes;
  }
  const auto retire = [this](std::uint64_t sealed) { return store_.index().retire(sealed); };
  for (const std::uint64_t number : journals) {
    if (number == spared) continue;
    const bool sealed = Journal::seal(store_.layout(), {store_.id(), number}, retire);
    if (sealed && garbage.journals.contains(number)) garbage.packs.insert(number);
  }
  crash_point("store.clean.sealed");
}

void Cleaner::condemn(Garbage& garbage, const SeenLines& seen) {
  ensure_directory(store_.layout().condemned());
  std::vector<Coverage> packs;
  for (const std::uint64_t number : garbage.packs) packs.push_back({number, kWholePack});
  RunWriter writer(store_.layout().condemned(), store_.id(), RunShape{}, garbage.chunks, std::move(packs));
  garbage.keys.rewind();
  while (const std::optional<std::string_view> key = garbage.keys.next()) writer.add(key_from(*key));
  const std::string run = base_name(writer.finish());
  const WriterRoll roll(store_.layout());
  const FileLock closed = roll.close();
  Condemned::publish(store_.layout(), store_.id(), {run, roll.living(), seen});
}

// Where condemned chunks stand that nothing has revived, sorted by pack.
SortedRecords Cleaner::unneeded_places(const Condemned& condemned, SortedRecords* revived) {
  RisingKeys keep(revived);
  Sorter places(std::make_shared<SpillFile>(store_.scratch()), kSorterMemory);
  std::vector<Key> keys;
  const auto look_up = [&] {
    store_.index().runs().find_many(keys, [&](std::size_t, const Run& run, std::uint64_t i) {
      const Location where = run.location(i);
      if (condemned.run().covered(where.pack) != 0) places.add(place_record(where));
    });
    keys.clear();
  };
  RunCursor cursor(condemned.run());
  while (cursor.next()) {
    if (keep.contains(cursor.key())) continue;
    keys.push_back(cursor.key());
    if (keys.size() == kLookedUpTogether) look_up();
  }
  look_up();
  return places.finish();
}

void Cleaner::delete_condemned(const Condemned& condemned, SortedRecords* revived) {
  store_.index().reload_runs();
  SortedRecords places = unneeded_places(condemned, revived);
  std::set<std::uint64_t> chosen;
  drop_and_choose(places, chosen);
  choose_small(chosen);
  rewrite(places, chosen);
  store_.index().purge();
  crash_point("store.clean.purged");
  Condemned::clear(store_.layout());
  store_.index().load_condemned(true);
  crash_point("store.clean.cleared");
}

// Packs of which nothing is needed go at once, which needs no room; those of which enough is not needed are
// chosen.
void Cleaner::drop_and_choose(SortedRecords& places, std::set<std::uint64_t>& rewrite) {
  std::vector<std::uint64_t> empty;
  places.rewind();
  while (const auto pack = next_pack(places)) {
    std::string problem;
    const auto file = open_if_readable(*store_.layout().storage, Layout::pack_object(pack->first), &problem);
    if (!problem.empty()) leave(problem);
    if (!file) continue;
    BadSectors bad;
    PatientReader in(*file, bad);
    PackScan scan(in, {store_.id(), pack->first});
    std::uint64_t all = 0, unneeded = 0, chunks = 0;
    while (const std::optional<ScannedRecord> record = scan.next(false)) {
      for (std::size_t i = 0; i < record->head.chunks.size(); ++i) {
        const std::pair place{static_cast<std::uint32_t>(record->offset), static_cast<std::uint16_t>(i)};
        if (pack->second.contains(place)) unneeded += record->head.chunks[i].bytes;
        all += record->head.chunks[i].bytes;
        ++chunks;
      }
    }
    if (!scan.reason().empty()) {  // what stands there, nobody knows
      const std::string path = quoted(store_.layout().storage->shown(Layout::pack_object(pack->first)));
      leave(bad.empty() ? path + ": " + scan.reason() : path + " cannot be read " + bad.text());
    } else if (chunks == pack->second.size()) {
      empty.push_back(pack->first);
    } else if (unneeded * 100 >= all * options_.rewrite_percent) {
      rewrite.insert(pack->first);
    }
    if (empty.size() == kRemovedTogether) remove_packs(std::exchange(empty, {}));
  }
  remove_packs(empty);
}

void Cleaner::choose_small(std::set<std::uint64_t>& rewrite) {
  std::vector<std::uint64_t> small;
  for_each_object(*store_.layout().storage, Layout::kPackObjects, [&](const ListedObject& object) {
    const std::optional<std::uint64_t> number = pack_number(base_name(object.name));
    if (number && object.bytes < kSmallPack) small.push_back(*number);
    return true;
  });
  if (small.size() >= kManySmallPacks) rewrite.insert(small.begin(), small.end());
}

void Cleaner::rewrite(SortedRecords& places, const std::set<std::uint64_t>& chosen) {
  Repacker repacker(store_);
  std::set<std::uint64_t> left = chosen;
  const auto one = [&](std::uint64_t number, const Unneeded& unneeded) {
    if (repacker.copy(number, unneeded))
      ++totals_.packs_rewritten;
    else
      leave(repacker.problem());
    if (repacker.waiting_bytes() >= kCopiedTogether) remove_packs(repacker.finish());
  };
  places.rewind();
  while (const auto pack = next_pack(places)) {
    if (left.erase(pack->first) > 0) one(pack->first, pack->second);
  }
  for (const std::uint64_t number : left) one(number, {});
  remove_packs(repacker.finish());
  totals_.copied_bytes += repacker.copied_bytes();
}

// What cannot be read as a whole stays as it is.
void Cleaner::leave(const std::string& problem) {
  if (totals_.packs_damaged++ == 0) totals_.problem = problem;
}

void Cleaner::remove_packs(const std::vector<std::uint64_t>& numbers) {
  totals_.freed_bytes += drop_packs(store_, numbers);
  totals_.packs_removed += numbers.size();
}

// What only removed snapshots led to is no client's any more.  One that was removed since this clean began
// still led: its record is the next one's reason to let that go.
void Cleaner::end(const SeenLines& seen, bool all) {
  const bool quiet = WriterRoll(store_.layout()).living().empty();
  for (const auto& [client, lines] : seen) {
    settle_counts(store_, client, all);
    SnapshotLog log(store_.layout(), store_.id(), client);
    const bool removed = log.has_removed_records(lines);
    // Whoever pulls just now would have to send again what he has sent.
    if (removed || quiet)
      ClientPossession::let_go(store_.layout(), store_.id(), client, possessions_[client],
                               walk_checkpoints(store_, client));
    crash_point("store.clean.possession");
    if (removed) log.forget_removed(lines);
  }
  SweepDue::note(store_, seen, all);
}

CleanTotals StoreImpl::clean(const CleanOptions& options) {
  const ReserveUse reserve(layout_, std::max(layout_.reserve_bytes, kCleanNeeds));
  const PastBadSectors past(past_bad_sectors_);
  return Cleaner(*this, options).run();
}

bool StoreImpl::can_read(const Location& where, ObjectKind kind, const StoredId& id) {
  try {
    (void)reader_.chunk(where, kind, id);
    return true;
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt && !is_media_error(error)) throw;
    return false;
  }
}

}  // namespace bk::store
