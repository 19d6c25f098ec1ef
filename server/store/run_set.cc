#include "server/store/run_set.h"

#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/io/memory.h"
#include "common/io/temporary.h"
#include "common/text/escape.h"
#include "server/store/run_writer.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <map>
#include <numeric>
#include <set>

namespace bk::store {
namespace {

constexpr std::size_t kFanIn = 8;
constexpr std::size_t kAskedTogether =
    1024;  // keys whose records are read ahead before the first is looked at

unsigned tier(const Run& run) { return static_cast<unsigned>(std::bit_width(run.size() | 4095U)) / 3; }

// Looks for keys of one run, in order.
void find_in_run(const Run& run, std::span<const Key> keys, std::span<const std::size_t> order,
                 const std::function<void(std::size_t, const Run&, std::uint64_t)>& sink) {
  std::vector<std::pair<std::size_t, Run::Range>> asked;
  for (std::size_t at = 0; at < order.size(); at += kAskedTogether) {
    asked.clear();
    for (const std::size_t i : order.subspan(at, std::min(kAskedTogether, order.size() - at))) {
      const Run::Range bucket = run.bucket(keys[i]);
      if (bucket.first >= bucket.second) continue;
      if (asked.empty() || asked.back().second != bucket) run.prefetch(bucket);
      asked.emplace_back(i, bucket);
    }
    for (const auto& [i, bucket] : asked) {
      const Run::Range found = run.find_in(bucket, keys[i]);
      for (std::uint64_t record = found.first; record < found.second; ++record) sink(i, run, record);
    }
  }
}

}  // namespace

void find_many(std::span<const std::unique_ptr<Run>> runs, std::span<const Key> keys,
               const std::function<void(std::size_t, const Run&, std::uint64_t)>& sink) {
  std::vector<std::size_t> order(keys.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return keys[a] < keys[b]; });
  for (const auto& run : runs) find_in_run(*run, keys, order, sink);
}

RunSet::RunSet(std::string folder, const StoreId& store, RunKind kind, std::uint64_t held_bytes,
               RunGivenUp given_up)
    : folder_(std::move(folder)),
      store_(store),
      kind_(kind),
      held_bytes_(held_bytes),
      memory_(memory_limit_bytes()),
      given_up_(std::move(given_up)) {}

void RunSet::take_up(const std::string& path) {
  runs_.push_back(std::make_unique<Run>(path, store_, kind_, given_up_));
  share_memory();
  if (runs_.back()->is_about_removed_packs()) note_removed();
}

// Whoever holds the lock may have merged it away since it got its name, or begun anew.
void RunSet::take_up_made(const std::string& path) {
  try {
    take_up(path);
  } catch (const Error& error) {
    if (error.sys_errno() != ENOENT) throw;
    reload();
  }
}

// The smallest runs are held in memory: there are many of them, and a look-up asks each.
void RunSet::share_memory() {
  std::vector<Run*> by_size;
  for (const auto& run : runs_) by_size.push_back(run.get());
  std::sort(by_size.begin(), by_size.end(), [](const Run* a, const Run* b) { return a->size() < b->size(); });
  std::uint64_t used = 0, all = 0;
  for (const Run* run : by_size) all += run->bytes();
  const bool keep = all <= memory_ / 2;
  for (Run* run : by_size) {
    used += run->bytes();
    run->hold_in_memory(used <= held_bytes_);
    run->keep_cached(keep);
  }
}

void RunSet::reload() {
  for (int attempt = 0;; ++attempt) {
    std::set<std::string> there;
    for (const std::string& name : list_directory(folder_)) {
      if (name.ends_with(".run")) there.insert(folder_ + "/" + name);
      // A killed writer's: nobody else would ever look at it again, and it may be large.
      if (name.ends_with(".run.tmp") || is_temporary_name(name)) (void)remove_abandoned(folder_ + "/" + name);
    }
    std::erase_if(runs_, [&](const auto& run) { return there.erase(run->path()) == 0; });
    note_removed();
    try {
      for (const std::string& path : there) take_up(path);
      return;
    } catch (const Error& error) {
      if (error.sys_errno() != ENOENT || attempt == 100) throw;  // merged away between list and open
    }
  }
}

bool RunSet::contains(const Key& key) const {
  return std::any_of(runs_.begin(), runs_.end(), [&](const auto& run) {
    const auto [begin, end] = run->find(key);
    return begin != end;
  });
}

void RunSet::find(const Key& key, const std::function<void(const Run&, std::uint64_t)>& sink) const {
  for (const auto& run : runs_) {
    const auto [begin, end] = run->find(key);
    for (std::uint64_t i = begin; i < end; ++i)
      if (removed_.empty() || !is_removed(run->location(i).pack)) sink(*run, i);
  }
}

bool RunSet::is_removed(std::uint64_t pack) const {
  return std::binary_search(removed_.begin(), removed_.end(), pack);
}

void RunSet::note_removed() {
  removed_.clear();
  for (const auto& run : runs_) {
    if (!run->is_about_removed_packs()) continue;
    for (std::uint64_t i = 0; i < run->pack_count(); ++i) removed_.push_back(run->coverage(i).pack);
  }
  std::sort(removed_.begin(), removed_.end());
}

void RunSet::remove_packs(const std::vector<std::uint64_t>& numbers) {
  if (numbers.empty()) return;
  std::vector<Coverage> packs;
  for (const std::uint64_t number : numbers) packs.push_back({number, kRemovedPack});
  add_located({}, std::move(packs));
}

// Every run of which much is gone, each by itself; then what is still said about removed packs, in one.
void RunSet::purge() {
  if (removed_.empty()) return;
  std::vector<const Run*> stale, notes;
  for (const auto& run : runs_) {
    std::uint64_t gone = 0;
    for (std::uint64_t i = 0; i < run->pack_count(); ++i) gone += is_removed(run->coverage(i).pack) ? 1U : 0U;
    if (run->is_about_removed_packs())
      notes.push_back(run.get());
    else if (gone * 4 >= run->pack_count() && gone > 0)
      stale.push_back(run.get());
  }
  for (const Run* run : stale) replace({run}, merge_into_one({run}));
  std::vector<std::uint64_t> needed;
  for (const std::uint64_t number : removed_) {
    if (std::any_of(runs_.begin(), runs_.end(), [&](const auto& run) {
          return !run->is_about_removed_packs() && run->covered(number) != 0;
        }))
      needed.push_back(number);
  }
  if (!needed.empty() && notes.size() < 2 && needed.size() == removed_.size()) return;
  remove_packs(needed);  // before the old ones go
  replace(notes, {});
}

void RunSet::find_many(std::span<const Key> keys,
                       const std::function<void(std::size_t, const Run&, std::uint64_t)>& every) const {
  const auto sink = [&](std::size_t i, const Run& run, std::uint64_t record) {
    if (removed_.empty() || !is_removed(run.location(record).pack)) every(i, run, record);
  };
  store::find_many(runs_, keys, sink);
}

void RunSet::add_located(std::vector<IndexEntry> entries, std::vector<Coverage> packs) {
  std::sort(entries.begin(), entries.end());
  std::sort(packs.begin(), packs.end(), [](const auto& a, const auto& b) { return a.pack < b.pack; });
  std::vector<std::uint64_t> numbers;
  for (const Coverage& pack : packs) numbers.push_back(pack.pack);
  const auto slot_of = [&](const Location& where) {
    const auto at = std::lower_bound(numbers.begin(), numbers.end(), where.pack);
    BK_CHECK(at != numbers.end() && *at == where.pack);
    return Slot{static_cast<std::uint32_t>(at - numbers.begin()), where.offset, where.position, where.kind};
  };
  RunShape shape;
  shape.kind = RunKind::Located;
  for (const IndexEntry& entry : entries) shape.widen(slot_of(entry.where));
  RunWriter writer(folder_, store_, shape, entries.size(), std::move(packs));
  for (const IndexEntry& entry : entries) writer.add(entry.key, slot_of(entry.where));
  take_up_made(writer.finish());
}

void RunSet::add_keys(std::vector<Key> keys) {
  std::sort(keys.begin(), keys.end());
  RunWriter writer(folder_, store_, RunShape{}, keys.size(), {});
  for (const Key& key : keys) writer.add(key);
  take_up_made(writer.finish());
}

// The smallest runs of a tier that is full, as many as one run may take.
std::vector<const Run*> RunSet::next_merge(std::uint64_t most) const {
  std::map<unsigned, std::vector<const Run*>> tiers;
  for (const auto& run : runs_) {
    if (!run->is_about_removed_packs()) tiers[tier(*run)].push_back(run.get());
  }
  for (auto& [unused, runs] : tiers) {
    if (runs.size() < kFanIn) continue;
    std::sort(runs.begin(), runs.end(), [](const Run* a, const Run* b) { return a->size() < b->size(); });
    std::uint64_t records = 0;
    std::vector<const Run*> inputs;
    for (const Run* run : runs) {
      if (records + run->size() > kLargestRun) break;
      records += run->size();
      inputs.push_back(run);
    }
    if (inputs.size() >= 2 && records <= most) return inputs;
  }
  return {};
}

void RunSet::merge(std::uint64_t most) {
  for (;;) {
    const std::vector<const Run*> inputs = next_merge(most);
    if (inputs.empty()) return;
    std::string merged;
    try {
      merged = merge_into_one(inputs);
    } catch (const UnreadableRun&) {
      return;  // it only would have been faster; who merges has done his work
    }
    replace(inputs, merged);
  }
}

std::string RunSet::merge_into_one(const std::vector<const Run*>& inputs) {
  return merge_runs(inputs, folder_, store_, kind_, [this](std::uint64_t pack) { return is_removed(pack); });
}

void RunSet::replace(const std::vector<const Run*>& inputs, const std::string& merged) {
  for (const Run* run : inputs) remove_durably(run->path());
  crash_point("store.index-merged");
  std::erase_if(runs_, [&](const auto& run) {
    return std::find(inputs.begin(), inputs.end(), run.get()) != inputs.end();
  });
  note_removed();
  if (!merged.empty()) take_up(merged);
}

std::uint64_t RunSet::covered(std::uint64_t pack) const {
  if (is_removed(pack)) return kWholePack;
  std::uint64_t upto = 0;
  for (const auto& run : runs_) upto = std::max(upto, run->covered(pack));
  return upto;
}

std::map<std::uint64_t, std::uint64_t> RunSet::count_records() const {
  std::map<std::uint64_t, std::uint64_t> out;
  for (const auto& run : runs_) {
    std::vector<std::uint64_t> counts(run->pack_count());
    for (RunCursor cursor(*run); cursor.next();) {
      if (cursor.slot().slot >= counts.size())
        throw Error(Kind::Corrupt, quoted(run->path()) + " names a pack that it does not list");
      ++counts[cursor.slot().slot];
    }
    for (std::uint64_t i = 0; i < counts.size(); ++i) out[run->coverage(i).pack] += counts[i];
  }
  return out;
}

}  // namespace bk::store
