#include "server/store/regroup.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/spill/disk_map.h"
#include "server/store/bad_sectors.h"
#include "server/store/node.h"
#include "server/store/place_record.h"

#include <algorithm>
#include <sstream>

namespace bk::store {
namespace {

constexpr std::uint64_t kThin = kTargetGroupContent / 4;
constexpr std::uint64_t kFewGroups = 16;  // nobody waits for those
constexpr unsigned kScattered = 2;
constexpr std::size_t kTogether = 2048;  // chunks in memory at once
constexpr std::size_t kSorterMemory = 32U << 20U;
constexpr std::size_t kMostPacks = 4096;      // rewritten for one source in one clean
constexpr std::uint64_t kLookAgainAfter = 8;  // snapshots
constexpr std::string_view kFirstLine = "bk-looked-at 1\n";
constexpr std::uint64_t kMaxBytes = 1U << 28U;

// Every chunk of data below an entry, in the order in which it is read.
void for_each_chunk_in_order(Store& store, const Entry& root,
                             const std::function<void(const ChunkId&)>& sink) {
  DiskMap visited(store.scratch());
  std::vector<NodeRef> todo;
  if (root.type == EntryType::Directory) todo.push_back({ObjectKind::Tree, root.node});
  for (auto extent = root.content.rbegin(); extent != root.content.rend(); ++extent) {
    if (extent->kind == Extent::Kind::Chunk) todo.push_back({ObjectKind::Data, extent->id});
    if (extent->kind == Extent::Kind::List) todo.push_back({ObjectKind::List, extent->id});
  }
  while (!todo.empty()) {
    const NodeRef ref = todo.back();
    todo.pop_back();
    if (ref.kind == ObjectKind::Data) {
      sink(ref.id);
    } else if (visited.insert(ref.id.view())) {
      const std::vector<NodeRef> below = node_refs(store.read(ref.kind, ref.id));
      todo.insert(todo.end(), below.rbegin(), below.rend());
    }
  }
}

}  // namespace

bool Scatter::much() const {
  return thin > 0 && groups > kFewGroups && groups * kTargetGroupContent > kScattered * content;
}

void ScatteredSource::look_up(std::vector<ChunkId>& ids, const Sink& sink) {
  std::vector<Location> places(ids.size());
  store_.index().find_many(ids, [&](std::size_t i, const Location& where) {
    if (where.kind == ObjectKind::Data && places[i].pack == 0) places[i] = where;
  });
  sink(ids, places);
  looked_up_ += ids.size();
  ids.clear();
}

void ScatteredSource::for_each_stretch(const Sink& sink) {
  std::vector<ChunkId> ids;
  for_each_chunk_in_order(store_, root_, [&](const ChunkId& id) {
    ids.push_back(id);
    if (ids.size() == kTogether) look_up(ids, sink);
  });
  look_up(ids, sink);
}

std::uint64_t ScatteredSource::used_of(const Group& group, const std::set<std::uint16_t>& positions) {
  const std::vector<StoredChunk> chunks = store_.stored_chunks(group.first, group.second);
  std::uint64_t used = 0;
  for (const std::uint16_t position : positions)
    if (position < chunks.size()) used += chunks[position].bytes;
  return used;
}

void ScatteredSource::for_each_group(const std::function<void(const Group&, std::uint64_t)>& sink) {
  Sorter sorter(std::make_shared<SpillFile>(store_.scratch()), kSorterMemory);
  for_each_stretch([&](std::span<const ChunkId>, std::span<const Location> places) {
    for (const Location& where : places)
      if (where.pack != 0) sorter.add(place_record(where));
  });
  SortedRecords places = sorter.finish();
  std::pair<std::uint64_t, bool> pack{0, false};  // whether it is a finished one
  while (const auto first = places.peek()) {
    const std::string prefix(first->substr(0, kGroupRecordBytes));
    const Location at = place_of(*first);
    const Group group{at.pack, at.offset};
    std::set<std::uint16_t> positions;
    for (auto next = places.peek(); next && next->starts_with(prefix); next = places.peek()) {
      positions.insert(place_of(*next).position);
      (void)places.next();
    }
    if (pack.first != group.first)
      pack = {group.first, store_.layout().storage->exists(Layout::pack_object(group.first))};
    if (pack.second) sink(group, used_of(group, positions));
  }
}

Scatter ScatteredSource::measure() {
  Scatter out;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> packs;  // thin groups, pack
  const auto keep_worst = [&](std::size_t most) {
    std::sort(packs.rbegin(), packs.rend());
    if (packs.size() > most) packs.resize(most);
  };
  std::uint64_t newest = 0;
  for_each_group([&](const Group& group, std::uint64_t used) {
    out.content += used;
    ++out.groups;
    if (used >= kThin) return;
    ++out.thin;
    if (newest != group.first) {
      if (packs.size() >= 2 * kMostPacks) keep_worst(kMostPacks);
      packs.emplace_back(0, newest = group.first);
    }
    ++packs.back().first;
  });
  keep_worst(kMostPacks);
  for (const auto& [thin, pack] : packs) out.packs.push_back(pack);
  return out;
}

void ScatteredSource::gather(const std::set<std::uint64_t>& packs, Repacker& into) {
  std::set<Group> thin;
  for_each_group([&](const Group& group, std::uint64_t used) {
    if (used < kThin && packs.contains(group.first)) thin.insert(group);
  });
  for_each_stretch([&](std::span<const ChunkId> ids, std::span<const Location> places) {
    std::vector<ChunkId> wanted;
    for (std::size_t i = 0; i < ids.size(); ++i)
      if (thin.contains({places[i].pack, places[i].offset})) wanted.push_back(ids[i]);
    std::vector<std::string> contents(wanted.size());
    store_.read_scattered(ObjectKind::Data, wanted,
                          [&](std::size_t i, std::string_view content) { contents[i] = content; });
    for (std::size_t i = 0; i < wanted.size(); ++i)
      into.put_beside(
          {store_.id().stored(wanted[i]), ObjectKind::Data, static_cast<std::uint32_t>(contents[i].size())},
          contents[i]);
  });
}

LookedAt::LookedAt(std::string path) : path_(std::move(path)) {
  const std::optional<std::string> text = read_if_readable(path_, kMaxBytes);
  if (!text || !text->starts_with(kFirstLine)) return;
  std::istringstream lines(text->substr(kFirstLine.size()));
  std::string source;
  std::uint64_t sequence = 0;
  while (lines >> source >> sequence) seen_[source] = sequence;
}

bool LookedAt::due(const std::string& source, std::uint64_t sequence) const {
  const auto known = seen_.find(source);
  const std::uint64_t last = known == seen_.end() ? 0 : known->second;
  return sequence < last || sequence - last >= kLookAgainAfter;
}

void LookedAt::save() const {
  std::string text(kFirstLine);
  for (const auto& [source, sequence] : seen_) text += source + " " + std::to_string(sequence) + "\n";
  replace_durably(path_, text);
}

}  // namespace bk::store
