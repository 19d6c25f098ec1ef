#include "server/store/run_set.h"

#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/io/temporary.h"

#include <algorithm>
#include <bit>
#include <map>
#include <set>

namespace bk::store {
namespace {

constexpr std::size_t kFanIn = 8;

unsigned tier(const Run& run) { return static_cast<unsigned>(std::bit_width(run.size() | 4095U)) / 3; }

}  // namespace

RunSet::RunSet(std::string folder, const StoreId& store, std::uint32_t record_bytes,
               std::uint64_t mapped_bytes)
    : folder_(std::move(folder)), store_(store), record_bytes_(record_bytes), mapped_bytes_(mapped_bytes) {}

void RunSet::take_up(const std::string& path) {
  runs_.push_back(std::make_unique<Run>(path, store_, record_bytes_));
  share_mapping();
}

// The smallest runs are mapped: there are many of them, and a look-up asks each.
void RunSet::share_mapping() {
  std::vector<Run*> by_size;
  for (const auto& run : runs_) by_size.push_back(run.get());
  std::sort(by_size.begin(), by_size.end(), [](const Run* a, const Run* b) { return a->size() < b->size(); });
  std::uint64_t used = 0;
  for (Run* run : by_size) {
    used += run->record_bytes();
    run->use_mapping(used <= mapped_bytes_);
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
    for (std::uint64_t i = begin; i < end; ++i) sink(*run, i);
  }
}

void RunSet::add_located(std::vector<IndexEntry> entries, std::vector<Coverage> packs) {
  std::sort(entries.begin(), entries.end());
  std::map<std::uint64_t, std::uint32_t> slots;
  for (const Coverage& pack : packs) slots.emplace(pack.pack, slots.size());
  BK_CHECK(slots.size() == packs.size());
  RunWriter writer(folder_, store_, record_bytes_, entries.size(), std::move(packs));
  for (const IndexEntry& entry : entries) writer.add(write_located(entry, slots.at(entry.where.pack)));
  take_up(writer.finish());
}

void RunSet::add_keys(std::vector<Key> keys) {
  std::sort(keys.begin(), keys.end());
  RunWriter writer(folder_, store_, record_bytes_, keys.size(), {});
  for (const Key& key : keys) writer.add({reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size()});
  take_up(writer.finish());
}

void RunSet::merge() {
  for (;;) {
    std::map<unsigned, std::vector<const Run*>> tiers;
    for (const auto& run : runs_) tiers[tier(*run)].push_back(run.get());
    const auto crowded =
        std::find_if(tiers.begin(), tiers.end(), [](const auto& t) { return t.second.size() >= kFanIn; });
    if (crowded == tiers.end()) return;
    const std::string merged = merge_runs(crowded->second, folder_, store_, record_bytes_);
    for (const Run* run : crowded->second) remove_durably(run->path());
    crash_point("store.index-merged");
    std::erase_if(runs_, [&](const auto& run) {
      return std::find(crowded->second.begin(), crowded->second.end(), run.get()) != crowded->second.end();
    });
    take_up(merged);
  }
}

std::map<std::uint64_t, std::uint64_t> RunSet::covered() const {
  std::map<std::uint64_t, std::uint64_t> out;
  for (const auto& run : runs_) {
    for (std::uint64_t i = 0; i < run->pack_count(); ++i) {
      const Coverage part = run->coverage(i);
      std::uint64_t& upto = out[part.pack];
      upto = std::max(upto, part.upto);
    }
  }
  return out;
}

}  // namespace bk::store
