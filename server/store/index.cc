#include "server/store/index.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/io/temporary.h"
#include "common/text/escape.h"
#include "server/store/bad_sectors.h"

#include <algorithm>
#include <utility>

namespace bk::store {
namespace {

constexpr std::uint64_t kWorthARun = 4U << 20U;    // bytes of a journal: read and decoded in about 20 ms
constexpr std::uint64_t kHeldBytes = 16U << 20U;   // of the runs in memory
constexpr std::size_t kMaxLiveChunks = 1U << 17U;  // of one journal in memory: about 12 MiB

bool worth_a_run(const LiveJournals::Uncovered& news) {
  return news.bytes >= kWorthARun || news.chunks >= kMaxLiveChunks;
}

}  // namespace

Index::Index(const Layout& layout, const StoreId& store)
    : layout_(layout),
      store_(store),
      runs_(no_runs()),
      live_(layout, store),
      damage_(layout.index + "/damaged") {}

RunSet Index::no_runs() {
  return {layout_.runs(), store_, RunKind::Located, kHeldBytes,
          [this](const std::string& run) { return give_up(run); }};
}

// Without its header the index is made anew by who opens it to write.  Not when the disk was only away.  Who
// only reads leaves it to others what can still be read of it.
std::string Index::give_up(const std::string& run) const {
  if (!has_media_error(run)) return {};
  try {
    if (only_reads_) return ", which `bkdb build` makes anew";
    remove_durably(layout_.index_header());
    return ", which the next backup or `bkdb build` makes anew";
  } catch (const Error&) {
    return ", which `bkdb build` makes anew";
  }
}

// False also for a damaged run.
bool Index::try_open() {
  if (!usable()) return false;
  try {
    runs_.reload();
    refresh();
    return true;
  } catch (const UnreadableRun&) {
    return false;
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
    return false;
  }
}

void Index::open(bool later) {
  ensure_directory(layout_.runs());
  (void)remove_abandoned_in(layout_.index);
  if (later) return (void)try_open();
  if (try_open() || try_open()) return forget_finished_rebuild();  // twice: a disk may have been away
  const FileLock no_clean = lock_out_clean();
  const FileLock lock = FileLock::exclusive(layout_.index_lock());
  if (try_open()) return;  // somebody else rebuilt it while we waited
  rebuild_locked({}, false);
  end_rebuild();
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
  only_reads_ = true;
  const auto refuse = [&](const std::string& why) {
    throw Error(Kind::Config, "the index " + quoted(layout_.index) + " cannot be used: " + why +
                                  "; `bkdb build` makes it anew");
  };
  if (!usable() && path_exists(layout_.index_building()))
    throw Error(Kind::Transient, "the index " + quoted(layout_.index) +
                                     " is being made anew; try again when `bkdb build` has ended");
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

// What cannot be read is condemned no more: nobody deletes it without having read it, too.
void Index::load_condemned(bool clean_is_locked) {
  try {
    condemned_ = Condemned::load(layout_, store_);
  } catch (const Error& error) {
    if (!is_media_error(error)) throw;
    std::optional<FileLock> lock;
    if (!clean_is_locked && !(lock = FileLock::try_exclusive(layout_.clean_lock()))) throw;
    Condemned::clear(layout_);
    condemned_.reset();
  }
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

void Index::reload_runs() {
  runs_.reload();
  if (live_.forget_lost([this](std::uint64_t number) { return runs_.covered(number); })) refresh();
}

// With the news of this journal, and all of it that no run knows (any more).
FileLock Index::begin_to_cover(std::uint64_t number) {
  FileLock no_emptying = FileLock::shared(layout_.index_emptying());
  refresh();
  if (live_.has(number)) reload_runs();
  return no_emptying;
}

// What could not be read must not count as known.  Looked at once more: a disk may have been away.
void Index::require_readable(std::uint64_t number) {
  if (!live_.problem(number)) return;
  live_.forget(number);
  refresh();
  if (const auto problem = live_.problem(number)) throw Error(Kind::Io, *problem);
}

void Index::cover(std::uint64_t number) {
  refresh();
  if (!worth_a_run(live_.uncovered(number))) return;
  const FileLock no_emptying = begin_to_cover(number);
  require_readable(number);
  const LiveJournals::Uncovered news = live_.uncovered(number);
  runs_.add_located(live_.entries(number), {{number, news.end}});
  live_.covered(number);
}

FileLock Index::retire(std::uint64_t number, bool as_it_is) {
  FileLock no_emptying = begin_to_cover(number);
  if (!as_it_is) require_readable(number);
  if (runs_.covered(number) == kWholePack) return no_emptying;
  runs_.add_located(live_.entries(number), {{number, kWholePack}});
  live_.forget(number);
  return no_emptying;
}

std::optional<std::string> Index::problem() const {
  if (auto journal = live_.problem()) return journal;
  return unread_.empty() ? std::nullopt : std::optional(unread_.begin()->second);
}

void Index::merge_if_idle(std::uint64_t most) {
  if (runs_.runs().size() < 8) return;
  const std::optional<FileLock> lock = FileLock::try_exclusive(layout_.index_lock());
  if (!lock) return;
  runs_.reload();
  runs_.merge(most);
}

}  // namespace bk::store
