#include "server/store/live.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <sys/stat.h>

#include <algorithm>
#include <set>

namespace bk::store {
namespace {

void insert(std::unordered_multimap<Key, Location>& into, std::uint64_t number, std::uint64_t offset,
            const std::vector<StoredChunk>& chunks) {
  for (std::size_t i = 0; i < chunks.size(); ++i)
    into.emplace(key_of(chunks[i].id), Location{number, static_cast<std::uint32_t>(offset),
                                                static_cast<std::uint16_t>(i), chunks[i].kind});
}

bool has_name(const FileReader& file) {
  struct stat info {};
  check_sys(::fstat(file.descriptor(), &info), [] { return "looking at a journal"; });
  return info.st_nlink > 0;
}

}  // namespace

LiveJournals::View* LiveJournals::open(std::uint64_t number, const Covered& covered) {
  if (const auto known = views_.find(number); known != views_.end()) {
    if (has_name(*known->second.file)) return &known->second;
    views_.erase(known);  // a heal put a whole one in its place
  }
  if (closed_.contains(number)) return nullptr;
  View view;
  try {
    view.file = open_reader(layout_.journal(number));
  } catch (const Error& error) {
    if (!is_media_error(error)) throw;
    closed_[number] = error.what();
    return nullptr;
  }
  if (!view.file) return nullptr;  // became a pack
  const std::uint64_t upto = covered ? covered(number) : 0;
  if (upto > view.end && upto != kWholePack) view.begin = view.end = view.synced_end = view.group_end = upto;
  return &(views_[number] = std::move(view));
}

void LiveJournals::read_on(std::uint64_t number, View& view) {
  const std::uint64_t size = view.file->size();
  if (size <= view.end || (size == view.size_seen && !view.bad.empty())) return;
  view.size_seen = size;
  PatientReader file(*view.file, view.bad);
  PackScan scan(file, {store_, number}, view.end);
  do {
    while (const std::optional<ScannedRecord> record = scan.next(true)) {
      view.end = record->end;
      if (record->head.type != RecordType::Group) continue;
      view.group_end = record->end;
      try {
        insert(view.chunks, number, record->offset, chunks_of(file, *record, decoder_));
      } catch (const Error& error) {
        if (error.kind() != Kind::Corrupt) throw;  // its chunks count as absent; check_structure() names it
      }
    }
  } while (!scan.reason().empty() && scan.skip_to_next());
}

void LiveJournals::let_go_covered(View& view, std::uint64_t upto) {
  std::erase_if(view.chunks, [&](const auto& chunk) { return chunk.second.offset < upto; });
  view.begin = std::max(view.begin, std::min(upto, view.group_end));
  view.look_again = view.chunks.size() + kCrowded;
}

void LiveJournals::refresh(const Covered& covered) {
  const std::vector<std::uint64_t> there = list_packs(layout_.journals());
  for (const std::uint64_t number : there) {
    View* const view = open(number, covered);
    if (view == nullptr) continue;
    read_on(number, *view);
    if (view->chunks.size() >= view->look_again) let_go_covered(*view, covered(number));
  }
  const std::set<std::uint64_t> names(there.begin(), there.end());
  std::erase_if(closed_, [&](const auto& journal) { return !names.contains(journal.first); });
  for (auto it = views_.begin(); it != views_.end();) {
    const bool left = !names.contains(it->first);
    if (left) read_on(it->first, it->second);
    // Its pack is in a run, or was taken away by a clean: then no run knows it any more either.
    const bool over = left && (covered(it->first) == kWholePack ||
                               !layout_.storage->exists(Layout::pack_object(it->first)));
    it = over ? views_.erase(it) : std::next(it);
  }
}

void LiveJournals::forget(std::uint64_t number) {
  views_.erase(number);
  closed_.erase(number);
}

void LiveJournals::clear() {
  views_.clear();
  closed_.clear();
}

std::optional<std::string> LiveJournals::problem(std::uint64_t number) const {
  const std::string name = "the journal " + quoted(layout_.journal(number)) + " cannot be ";
  if (const auto closed = closed_.find(number); closed != closed_.end())
    return name + "opened: " + closed->second;
  const auto known = views_.find(number);
  if (known == views_.end() || known->second.bad.empty()) return std::nullopt;
  return name + "read " + known->second.bad.text();
}

std::optional<std::string> LiveJournals::problem() const {
  if (!closed_.empty()) return problem(closed_.begin()->first);
  for (const auto& [number, view] : views_)
    if (!view.bad.empty()) return problem(number);
  return std::nullopt;
}

bool LiveJournals::forget_lost(const Covered& covered) {
  return std::erase_if(views_, [&](const auto& view) {
           return view.second.begin > kPackHeaderBytes && covered(view.first) < view.second.begin;
         }) > 0;
}

LiveJournals::Uncovered LiveJournals::uncovered(std::uint64_t number) const {
  const auto known = views_.find(number);
  if (known == views_.end()) return {};
  return {known->second.group_end - known->second.begin, known->second.group_end,
          known->second.chunks.size()};
}

void LiveJournals::covered(std::uint64_t number) {
  View& view = views_.at(number);
  view.begin = view.group_end;
  view.chunks.clear();
  view.look_again = kCrowded;
}

void LiveJournals::note(std::uint64_t number, std::uint64_t offset, std::uint64_t end,
                        const std::vector<StoredChunk>& chunks) {
  View* const view = open(number, {});
  if (view == nullptr || view->end > offset) return;
  if (view->end < offset) read_on(number, *view);
  if (view->end >= end) return;
  insert(view->chunks, number, offset, chunks);
  view->end = view->group_end = end;
}

void LiveJournals::find(const Key& key, const std::function<void(const Location&)>& sink) const {
  for (const auto& [number, view] : views_) {
    const auto [begin, end] = view.chunks.equal_range(key);
    for (auto it = begin; it != end; ++it) sink(it->second);
  }
}

std::vector<std::uint64_t> LiveJournals::numbers() const {
  std::vector<std::uint64_t> out;
  for (const auto& [number, view] : views_) out.push_back(number);
  return out;
}

std::vector<IndexEntry> LiveJournals::entries(std::uint64_t number) const {
  std::vector<IndexEntry> out;
  const auto known = views_.find(number);
  if (known == views_.end()) return out;
  for (const auto& [key, where] : known->second.chunks) out.push_back({key, where});
  return out;
}

void LiveJournals::sync_others(std::uint64_t own) {
  for (auto& [number, view] : views_) {
    if (number == own || view.synced_end == view.end) continue;
    sync_file(view.file->descriptor());
    view.synced_end = view.end;
  }
}

}  // namespace bk::store
