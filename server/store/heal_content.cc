#include "server/store/heal_content.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "server/store/checkpoint_folder.h"
#include "server/store/snapshot_log.h"
#include "server/store/writers.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace bk::store {
namespace {

constexpr std::size_t kLookedUpTogether = 4096;
constexpr std::size_t kVisitedMemory = 32U << 20U;

std::vector<NodeRef> refs_of(const Entry& root) {
  std::vector<NodeRef> out;
  if (root.type == EntryType::Directory) out.push_back({ObjectKind::Tree, root.node});
  for (const Extent& extent : root.content) {
    if (extent.kind == Extent::Kind::Chunk) out.push_back({ObjectKind::Data, extent.id});
    if (extent.kind == Extent::Kind::List) out.push_back({ObjectKind::List, extent.id});
  }
  return out;
}

}  // namespace

ContentHealer::ContentHealer(StoreImpl& store, std::shared_ptr<Storage> copy, std::string folder)
    : store_(store),
      copy_(std::move(copy)),
      folder_(std::move(folder)),
      repacker_(store),
      visited_(store.scratch(), kVisitedMemory),
      lost_(store.scratch()) {}

void ContentHealer::fetch() {
  store_.read_past_bad_sectors(true);
  store_.index().reload_runs();
  const auto damaged = [this](const std::string&) { complete_ = false; };
  for (const std::string& client : list_clients(store_.layout())) {
    try {
      for (const SnapshotRecord& record : SnapshotLog(store_.layout(), store_.id(), client).all(damaged))
        walk(refs_of(record.root));
    } catch (const Error& error) {
      if (error.kind() != Kind::Corrupt) throw;
      complete_ = false;  // its journal: reported by who heals that
    }
    for (const CheckpointRecord& checkpoint : CheckpointFolder(store_.layout(), client).all())
      walk({{ObjectKind::Tree, checkpoint.node}});
  }
  for (const ChunkId& node : WriterRoll(store_.layout()).pinned(store_.id()))
    walk({{ObjectKind::Tree, node}});
  look_up();
  (void)repacker_.finish();
  store_.read_past_bad_sectors(false);
}

void ContentHealer::walk(std::vector<NodeRef> todo) {
  while (!todo.empty()) {
    const NodeRef ref = todo.back();
    todo.pop_back();
    if (ref.kind == ObjectKind::Data) {
      data_.push_back(ref.id);
      if (data_.size() == kLookedUpTogether) look_up();
    } else if (visited_.insert(ref.id.view())) {
      enter(ref, todo);
    }
  }
}

void ContentHealer::enter(const NodeRef& ref, std::vector<NodeRef>& todo) {
  const std::optional<std::string> bytes = node(ref);
  if (!bytes) return;
  try {
    for (const NodeRef& below : node_refs(*bytes)) todo.push_back(below);
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
    complete_ = false;  // as it was stored, but no node that this program knows
  }
}

std::optional<std::string> ContentHealer::node(const NodeRef& ref) {
  std::optional<std::string> out;
  const auto take = [&](std::string_view content) { out = std::string(content); };
  if (store_.index().contains(ref.kind, ref.id) && salvage(ref.kind, ref.id, take) == Salvage::Done)
    return out;
  bring(ref.kind, {ref.id}, [&](std::size_t, std::string_view content) { take(content); });
  return out;
}

void ContentHealer::look_up() {
  std::sort(data_.begin(), data_.end());
  data_.erase(std::unique(data_.begin(), data_.end()), data_.end());
  const std::vector<bool> there = store_.present(ObjectKind::Data, data_);
  std::vector<ChunkId> missing;
  for (std::size_t i = 0; i < data_.size(); ++i)
    if (!there[i]) missing.push_back(data_[i]);
  data_.clear();
  bring(ObjectKind::Data, missing, [](std::size_t, std::string_view) {});
}

ContentHealer::Salvage ContentHealer::salvage(ObjectKind kind, const ChunkId& id,
                                              const std::function<void(std::string_view)>& sink) {
  try {
    sink(store_.read(kind, id));
    return Salvage::Done;
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
    return is_unreadable(error) ? Salvage::Unreadable : Salvage::Missing;
  }
}

void ContentHealer::bring(ObjectKind kind, const std::vector<ChunkId>& ids,
                          const std::function<void(std::size_t, std::string_view)>& sink) {
  std::vector<ChunkId> wanted;
  std::vector<std::size_t> places;
  std::vector<bool> unreadable;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (lost_.contains(ids[i].view()) || (kind == ObjectKind::Data && visited_.contains(ids[i].view())))
      continue;  // given up, or brought already
    const auto use = [&](std::string_view content) {
      keep(kind, ids[i], content);
      sink(i, content);
    };
    const Salvage found = salvage(kind, ids[i], use);
    if (found == Salvage::Done) continue;
    wanted.push_back(ids[i]);
    places.push_back(i);
    unreadable.push_back(found == Salvage::Unreadable);
  }
  if (wanted.empty()) return;
  std::vector<bool> found(wanted.size(), false);
  if (copy_ && !finder_) finder_ = std::make_unique<CopyFinder>(store_.layout(), store_.id(), copy_, folder_);
  if (finder_)
    finder_->read_many(kind, wanted, [&](std::size_t i, std::string_view content) {
      found[i] = true;
      keep(kind, wanted[i], content);
      ++fetched_;
      fetched_bytes_ += content.size();
      sink(places[i], content);
    });
  for (std::size_t i = 0; i < wanted.size(); ++i)
    if (!found[i] && lost_.insert(wanted[i].view()) && unreadable[i]) ++unreadable_;
}

void ContentHealer::keep(ObjectKind kind, const ChunkId& id, std::string_view content) {
  (void)visited_.insert(id.view());
  repacker_.put_beside({store_.id().stored(id), kind, static_cast<std::uint32_t>(content.size())}, content);
}

std::set<std::uint64_t> ContentHealer::empty(const std::set<std::uint64_t>& damaged) {
  for (const std::uint64_t number : damaged) repacker_.copy_what_is_good(number);
  const std::vector<std::uint64_t> gone = repacker_.finish();
  (void)drop_packs(store_, gone);
  store_.index().damage().note({gone.begin(), gone.end()}, {});
  return {gone.begin(), gone.end()};
}

namespace {

std::uint64_t pack_of(const HealEvent& event) { return pack_number(base_name(event.path)).value_or(0); }

// Packs that are in nobody's hands.
std::set<std::uint64_t> free_packs(StoreImpl& store, const std::set<std::uint64_t>& damaged) {
  std::set<std::uint64_t> out;
  const auto retire = [&](std::uint64_t sealed) { return store.index().retire(sealed); };
  for (const std::uint64_t number : damaged) {
    const bool journal = path_exists(store.layout().journal(number));
    if (!journal || Journal::seal(store.layout(), {store.id(), number}, retire)) out.insert(number);
  }
  return out;
}

}  // namespace

HealReport DamagedLast::reporter() {
  return [this](const HealEvent& event) {
    if (event.what == HealEvent::What::PackDamaged)
      events_.push_back(event);
    else
      report_(event);
  };
}

std::set<std::uint64_t> DamagedLast::damaged() const {
  std::set<std::uint64_t> out;
  for (const HealEvent& event : events_) out.insert(pack_of(event));
  return out;
}

std::uint64_t DamagedLast::unreadable() const {
  return static_cast<std::uint64_t>(std::ranges::count_if(events_, [](const HealEvent& event) {
    return event.what == HealEvent::What::PackDamaged && event.unreadable;
  }));
}

void DamagedLast::emptied(const std::set<std::uint64_t>& packs) {
  for (HealEvent& event : events_) {
    if (!packs.contains(pack_of(event))) continue;
    event.what = HealEvent::What::PackRepaired;
    event.detail += "; all that is needed of it stands in other packs now, and it is gone";
  }
}

void DamagedLast::tell() {
  for (const HealEvent& event : events_) report_(event);
}

void heal_content(StoreImpl& store, const std::shared_ptr<Storage>& copy, const std::string& folder,
                  DamagedLast& late, HealTotals& totals) {
  using What = HealEvent::What;
  ContentHealer healer(store, copy, folder);
  healer.fetch();
  if (healer.fetched() > 0) {
    ++totals.files_healed;
    late.report()({What::FileCopied, folder,
                   fmt::format("{} chunks, {} bytes, that were missing here", healer.fetched(),
                               healer.fetched_bytes())});
  }
  // Of those that were lost with a damaged pack the pack speaks.
  const std::uint64_t missing = healer.lost() - healer.unreadable();
  if (missing > 0 && late.damaged().size() == late.unreadable()) {
    ++totals.files_damaged;
    late.report()({What::FileDamaged, store.directory(),
                   fmt::format("{} chunks that snapshots need stand nowhere any more", missing)});
  } else if (healer.lost() > 0 && late.damaged().empty()) {
    ++totals.files_damaged;
    ++totals.files_unreadable;
    late.report()({What::FileDamaged, store.directory(),
                   fmt::format("{} chunks that snapshots need cannot be read", healer.lost()), true});
  }
  if (!healer.complete()) return;
  const std::set<std::uint64_t> emptied = healer.empty(free_packs(store, late.damaged()));
  late.emptied(emptied);
  totals.repaired += emptied.size();
  totals.damaged -= emptied.size();
}

}  // namespace bk::store
