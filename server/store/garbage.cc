#include "server/store/garbage.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/document.h"
#include "server/store/bad_sectors.h"
#include "server/store/counts.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <queue>
#include <vector>

namespace bk::store {
namespace {

constexpr std::size_t kSorterMemory = 64U << 20U;
constexpr std::size_t kLookedUpTogether = 4096;
constexpr std::uint64_t kMaxTextBytes = 4096;
constexpr std::uint64_t kSweepAfter = 7;          // cleans that did not
constexpr std::uint64_t kUncountedInHundred = 1;  // chunks, that make a sweep due

// Everything the runs and journals know, in the order of keys.
class AllEntries {
 public:
  explicit AllEntries(Index& index) : index_(index) {
    for (const auto& run : index.runs().runs()) {
      if (run->size() > 0) cursors_.emplace_back(*run);
    }
    for (const std::uint64_t number : index.live().numbers()) {
      std::vector<IndexEntry> part = index.live().entries(number);
      journal_.insert(journal_.end(), part.begin(), part.end());
    }
    std::sort(journal_.begin(), journal_.end());
    for (RunCursor& cursor : cursors_) push(cursor);
  }
  [[nodiscard]] std::optional<IndexEntry> next() {
    const bool journal = at_ < journal_.size();
    if (queue_.empty() && !journal) return std::nullopt;
    if (queue_.empty() || (journal && journal_[at_].key < queue_.top()->key())) return journal_[at_++];
    RunCursor& first = *queue_.top();
    queue_.pop();
    IndexEntry out{first.key(), first.location()};
    push(first);
    return out;
  }

 private:
  void push(RunCursor& cursor) {
    while (cursor.next()) {
      if (index_.runs().is_removed(cursor.location().pack)) continue;
      queue_.push(&cursor);
      return;
    }
  }
  struct Later {
    bool operator()(const RunCursor* a, const RunCursor* b) const { return a->key() > b->key(); }
  };
  Index& index_;
  std::vector<IndexEntry> journal_;
  std::size_t at_ = 0;
  std::deque<RunCursor> cursors_;
  std::priority_queue<RunCursor*, std::vector<RunCursor*>, Later> queue_;
};

// Adds what is garbage, key by key with all of its places.
class Finder {
 public:
  explicit Finder(StoreImpl& store)
      : journals_(list_packs(store.layout().journals())),
        keys_(std::make_shared<SpillFile>(store.scratch()), kSorterMemory) {}
  void add(const Key& key) {
    keys_.add(bytes_of(key));
    ++out_.chunks;
  }
  void add_place(std::uint64_t pack) {
    const bool journal = std::binary_search(journals_.begin(), journals_.end(), pack);
    (journal ? out_.journals : out_.packs).insert(pack);
  }
  [[nodiscard]] Garbage finish() {
    out_.keys = keys_.finish();
    return std::move(out_);
  }

 private:
  std::vector<std::uint64_t> journals_;
  Sorter keys_;
  Garbage out_;
};

}  // namespace

RisingKeys::RisingKeys(SortedRecords* records) : records_(records) {
  if (records_ != nullptr) records_->rewind();
}

bool RisingKeys::contains(const Key& key) {
  if (records_ == nullptr) return false;
  for (;;) {
    const std::optional<std::string_view> next = records_->peek();
    if (!next || *next > bytes_of(key)) return false;
    if (*next == bytes_of(key)) return true;
    (void)records_->next();
  }
}

Garbage find_garbage(StoreImpl& store, SortedRecords& needed) {
  RisingKeys keep(&needed);
  Finder finder(store);
  AllEntries entries(store.index());
  std::optional<Key> last;
  bool stays = false;
  while (const std::optional<IndexEntry> entry = entries.next()) {
    if (last != entry->key) {
      last = entry->key;
      stays = keep.contains(entry->key);
      if (!stays) finder.add(entry->key);
    }
    if (!stays) finder.add_place(entry->where.pack);
  }
  return finder.finish();
}

Garbage find_garbage(StoreImpl& store, Unnamed& unnamed) {
  RisingKeys keep(&unnamed.needed);
  Finder finder(store);
  std::vector<Key> batch;
  const auto look_up = [&] {
    std::vector<bool> found(batch.size(), false);
    const auto place = [&](std::size_t i, std::uint64_t pack) {
      found[i] = true;
      finder.add_place(pack);
    };
    store.index().runs().find_many(batch, [&](std::size_t i, const Run& run, std::uint64_t record) {
      place(i, run.location(record).pack);
    });
    for (std::size_t i = 0; i < batch.size(); ++i)
      store.index().live().find(batch[i], [&](const Location& where) { place(i, where.pack); });
    for (std::size_t i = 0; i < batch.size(); ++i)
      if (found[i]) finder.add(batch[i]);
    batch.clear();
  };
  unnamed.keys.rewind();
  while (const std::optional<std::string_view> next = unnamed.keys.next()) {
    const Key key = key_from(*next);
    if ((!batch.empty() && batch.back() == key) || keep.contains(key)) continue;
    if (batch.size() == kLookedUpTogether) look_up();
    batch.push_back(key);
  }
  look_up();
  return finder.finish();
}

std::uint64_t known_chunks(StoreImpl& store) {
  std::uint64_t sum = 0;
  for (const auto& run : store.index().runs().runs()) sum += run->size();
  for (const std::uint64_t number : store.index().live().numbers())
    sum += store.index().live().uncovered(number).chunks;
  return sum;
}

SweepDue::SweepDue(StoreImpl& store, const SeenLines& seen) : path_(store.layout().index + "/cleaned") {
  known_ = known_chunks(store);
  for (const auto& [client, line] : seen) {
    const std::optional<Counts> counts = Counts::load(store.layout(), store.id(), client);
    if (!counts) continue;
    counted_ += counts->state().keys;
    unnamed_ += counts->unnamed_keys();
    swept_ = swept_ && counts->state().swept;
  }
}

// By differences, because a chunk that stands in two places, or that two clients have, is none more than is
// counted, or less.
bool SweepDue::due() const {
  if (!swept_) return true;
  try {
    const std::optional<std::string> text = read_if_readable(path_, kMaxTextBytes);
    if (!text) return true;
    const Document doc = Document::parse(*text, "bk-cleaned");
    const auto signed_number = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
    const std::int64_t then =
        signed_number(doc.get_number("known")) - signed_number(doc.get_number("counted"));
    const std::int64_t now = signed_number(known_) - signed_number(counted_ + unnamed_);
    return doc.get_number("since") >= kSweepAfter ||
           (now - then) * 100 > signed_number(known_ * kUncountedInHundred);
  } catch (const Error& error) {
    if (error.kind() != Kind::Protocol) throw;
    return true;
  }
}

void SweepDue::note(StoreImpl& store, const SeenLines& seen, bool swept) {
  store.index().refresh();  // what was sealed and removed counts no longer
  store.index().reload_runs();
  const SweepDue now(store, seen);
  std::uint64_t since = 0;
  if (!swept) {
    try {
      const std::optional<std::string> text = read_if_readable(now.path_, kMaxTextBytes);
      since = text ? Document::parse(*text, "bk-cleaned").get_number("since") + 1 : kSweepAfter;
    } catch (const Error& error) {
      if (error.kind() != Kind::Protocol) throw;
      since = kSweepAfter;
    }
  }
  Document doc("bk-cleaned", 1);
  doc.add("known", now.known_).add("counted", now.counted_).add("since", since);
  replace_durably(now.path_, doc.write());
}

}  // namespace bk::store
