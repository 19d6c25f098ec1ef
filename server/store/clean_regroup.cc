// Putting together again what newest snapshots read, within a budget (`bkdb clean --regroup`).
#include "common/error/error.h"
#include "server/store/bad_sectors.h"
#include "server/store/checkpoint_folder.h"
#include "server/store/clean.h"
#include "server/store/regroup.h"

namespace bk::store {
namespace {

constexpr std::uint64_t kLookedUpAtMost = 16U << 20U;  // chunks, in a clean that looks at what is due

// The newest snapshot of each source; they come sorted by source and sequence.
std::vector<SnapshotRecord> newest_of_all(Store& store) {
  std::vector<SnapshotRecord> out;
  const auto same_source = [](const SnapshotRecord& a, const SnapshotRecord& b) {
    return a.client == b.client && a.module == b.module && a.method == b.method && a.name == b.name;
  };
  for (SnapshotRecord& record : store.snapshots()) {
    if (!out.empty() && same_source(out.back(), record)) out.pop_back();
    out.push_back(std::move(record));
  }
  return out;
}

// Of these packs the first ones that cost no more than that together.
std::set<std::uint64_t> within(Storage& storage, const std::vector<std::uint64_t>& packs,
                               std::uint64_t& budget) {
  std::set<std::uint64_t> out;
  for (const std::uint64_t number : packs) {
    const auto pack = open_if_readable(storage, Layout::pack_object(number));
    if (!pack) continue;
    if (pack->size() > budget) break;
    budget -= pack->size();
    out.insert(number);
  }
  return out;
}

}  // namespace

void Cleaner::rewrite_for(ScatteredSource& source, const std::set<std::uint64_t>& packs) {
  Repacker repacker(store_);
  source.gather(packs, repacker);
  (void)repacker.finish();
  for (const std::uint64_t number : packs) {
    if (repacker.copy(number, {}))
      ++totals_.packs_rewritten;
    else
      leave(repacker.problem());
  }
  remove_packs(repacker.finish());
  totals_.copied_bytes += repacker.copied_bytes();
  ++totals_.regrouped;
}

// Backups go on meanwhile: every chunk of a pack that goes stands in another one before.
void Cleaner::regroup() {
  std::uint64_t budget = options_.regroup_bytes, looked_up = 0;
  if (budget == 0) return;
  LookedAt looked_at(store_.layout().index + "/looked-at");
  for (const SnapshotRecord& newest : newest_of_all(store_)) {
    const std::string source =
        source_key(store_.id().domain.get(), newest.client, newest.module, newest.method, newest.name);
    if (!options_.regroup_all && !looked_at.due(source, newest.sequence)) continue;
    if (!options_.regroup_all && looked_up > kLookedUpAtMost) break;
    ScatteredSource scattered(store_, newest);
    try {
      const Scatter scatter = scattered.measure();
      const std::set<std::uint64_t> packs = scatter.much()
                                                ? within(*store_.layout().storage, scatter.packs, budget)
                                                : std::set<std::uint64_t>{};
      if (!packs.empty()) rewrite_for(scattered, packs);
      if (!scatter.much() || packs.size() == scatter.packs.size()) looked_at.note(source, newest.sequence);
    } catch (const Error& error) {
      if (error.kind() != Kind::Corrupt) throw;  // verify names it
    }
    looked_up += scattered.looked_up();
  }
  looked_at.save();
}

}  // namespace bk::store
