#include "server/store/counting.h"

#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/io/media.h"
#include "common/spill/disk_map.h"
#include "common/spill/sorter.h"
#include "common/text/escape.h"
#include "server/store/bad_sectors.h"
#include "server/store/node.h"
#include "server/store/reach.h"
#include "server/store/run_writer.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

namespace bk::store {
namespace {

constexpr std::size_t kSorterMemory = 64U << 20U;
constexpr std::size_t kNodesMemory = 32U << 20U;
constexpr std::size_t kLookedUpTogether = 4096;

// What there was does not fit the journal or the trees: all is counted anew.
struct DoesNotFit {};

// Differences to what was counted before.
class Tally {
 public:
  // `before` may be null: nothing was counted.
  Tally(StoreImpl& store, const Counts* before)
      : store_(store),
        before_(before),
        nodes_(store.scratch(), kNodesMemory),
        sorter_(std::make_shared<SpillFile>(store.scratch()), kSorterMemory) {}

  void add(const Entry& root) { walk(refs_of(root), 1); }
  void subtract(const Entry& root) { walk(refs_of(root), -1); }
  // Everything above, sorted: calls sink once for each key that was met, also when it comes to nothing.
  void finish() { changes_ = sorter_.finish(); }
  void for_each(const Counts::Sink& sink) {
    changes_.rewind();
    std::optional<Key> key;
    std::int64_t sum = 0;
    while (const std::optional<std::string_view> next = changes_.next()) {
      const Key now = key_from(*next);
      if (key && *key != now) sink(*key, sum);
      if (!key || *key != now) sum = 0;
      key = now;
      sum += static_cast<signed char>(next->back());
    }
    if (key) sink(*key, sum);
  }

 private:
  // The counts of nodes are needed on the way: as they are by now.
  [[nodiscard]] std::vector<std::int64_t> counts_of(std::span<const Key> keys) {
    std::vector<std::int64_t> out(keys.size(), 0);
    std::vector<Key> unseen;
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (const std::optional<std::string> seen = nodes_.get(bytes_of(keys[i]))) {
        std::memcpy(&out[i], seen->data(), sizeof out[i]);
      } else if (before_ != nullptr) {
        unseen.push_back(keys[i]);
        places.push_back(i);
      }
    }
    if (unseen.empty()) return out;
    const std::vector<std::int64_t> found = before_->of(unseen);
    for (std::size_t i = 0; i < places.size(); ++i) out[places[i]] = found[i];
    return out;
  }

  // Names everything in `refs` once more, or once less, and goes on below what was not named before, or is
  // not named any more.
  void walk(std::vector<NodeRef> refs, int sign) {
    std::vector<NodeRef> todo;
    for (;;) {
      name(refs, sign, todo);
      if (todo.empty()) return;
      const NodeRef node = todo.back();
      todo.pop_back();
      refs = node_refs(store_.read(node.kind, node.id));
    }
  }

  void name(const std::vector<NodeRef>& refs, int sign, std::vector<NodeRef>& todo) {
    std::vector<Key> keys;
    std::vector<const NodeRef*> nodes;
    for (const NodeRef& ref : refs) {
      const Key key = key_of(store_.id(), ref.id);
      char record[sizeof key.bytes + 1];
      std::memcpy(record, key.bytes.data(), sizeof key.bytes);
      record[sizeof key.bytes] = static_cast<char>(sign);
      sorter_.add({record, sizeof record});
      if (ref.kind == ObjectKind::Data) continue;
      keys.push_back(key);
      nodes.push_back(&ref);
    }
    const std::vector<std::int64_t> counts = counts_of(keys);
    std::map<Key, std::int64_t> again;  // one that is named twice here
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const auto known = again.find(keys[i]);
      const std::int64_t before = known == again.end() ? counts[i] : known->second, now = before + sign;
      if (now < 0) throw DoesNotFit();
      if ((sign > 0 ? before : now) == 0) todo.push_back(*nodes[i]);
      nodes_.put(bytes_of(keys[i]), {reinterpret_cast<const char*>(&now), sizeof now});
      again[keys[i]] = now;
    }
  }

  StoreImpl& store_;
  const Counts* before_;
  DiskMap nodes_;  // key to count, of those that were met
  Sorter sorter_;
  SortedRecords changes_;
};

// Looks at the counts of many keys, some at a time.
class Lookups {
 public:
  Lookups(const Counts* counts,
          std::function<void(const Key&, std::int64_t before, std::int64_t change)> sink)
      : counts_(counts), sink_(std::move(sink)) {}
  void add(const Key& key, std::int64_t change) {
    keys_.push_back(key);
    changes_.push_back(change);
    if (keys_.size() == kLookedUpTogether) flush();
  }
  void flush() {
    const std::vector<std::int64_t> before =
        counts_ == nullptr ? std::vector<std::int64_t>(keys_.size(), 0) : counts_->of(keys_);
    for (std::size_t i = 0; i < keys_.size(); ++i) sink_(keys_[i], before[i], changes_[i]);
    keys_.clear();
    changes_.clear();
  }

 private:
  const Counts* counts_;
  std::function<void(const Key&, std::int64_t, std::int64_t)> sink_;
  std::vector<Key> keys_;
  std::vector<std::int64_t> changes_;
};

class Update {
 public:
  Update(StoreImpl& store, const std::string& client, std::uint64_t line)
      : store_(store),
        client_(client),
        folder_(Counts::folder(store.layout(), client)),
        line_(line),
        log_(store.layout(), store.id(), client) {}

  [[nodiscard]] Counts run(bool anew) {
    ensure_directory(folder_);
    try {
      std::optional<Counts> before = anew ? std::nullopt : usable_counts(store_, client_, line_);
      if (before && before->state().line == line_) return *std::move(before);
      publish(before ? &*before : nullptr);
    } catch (const DoesNotFit&) {
      publish(nullptr);
    }
    std::string problem;
    std::optional<Counts> made = Counts::load(store_.layout(), store_.id(), client_, 0, &problem);
    if (!made)
      throw Error(Kind::Io, "the counts in " + quoted(folder_) + ", written just now, cannot be used (" +
                                problem + "); run clean again");
    return *std::move(made);
  }

 private:
  // Everything that was made since, also what was removed since, so that it falls to 0; first, so that
  // nothing does so on the way.
  void go_on(Tally& tally, std::uint64_t from) const {
    try {
      for (const SnapshotRecord& record : log_.made(from, line_)) tally.add(record.root);
      for (const SnapshotRecord& record : log_.removed(from, line_)) tally.subtract(record.root);
    } catch (const Error& error) {
      if (error.kind() != Kind::Corrupt && error.kind() != Kind::Protocol) throw;
      throw DoesNotFit();
    }
  }

  void begin(Tally& tally) const {
    for (const SnapshotRecord& record : log_.leading(line_)) {
      try {
        tally.add(record.root);
      } catch (Error& error) {
        error.add_context("snapshot " + record.id.substr(0, 12) + " of " + quoted(client_));
        throw;
      }
    }
  }

  void publish(const Counts* before) {
    Counts::State state = before == nullptr ? Counts::State{} : before->state();
    Tally tally(store_, before);
    if (before == nullptr)
      begin(tally);
    else
      go_on(tally, state.line);
    tally.finish();
    Sorter fallen(std::make_shared<SpillFile>(store_.scratch()), kSorterMemory / 4);
    Lookups lookups(before, [&](const Key& key, std::int64_t count, std::int64_t change) {
      if (count < 0 || count + change < 0) throw DoesNotFit();
      state.keys += count == 0 && change > 0 ? 1 : 0;
      state.keys -= count > 0 && count + change == 0 ? 1 : 0;
      if (count + change == 0) fallen.add(bytes_of(key));
    });
    tally.for_each([&](const Key& key, std::int64_t change) { lookups.add(key, change); });
    lookups.flush();
    state.line = line_;
    state.hash = log_.hash_at(line_);
    const std::vector<std::string> made =
        write_differences(folder_, store_.id(), [&](const Counts::Sink& sink) {
          tally.for_each([&](const Key& key, std::int64_t change) {
            if (change != 0) sink(key, change);
          });
        });
    state.runs.insert(state.runs.end(), made.begin(), made.end());
    merge(state);
    if (SortedRecords keys = fallen.finish(); keys.size() > 0) state.unnamed.push_back(write_keys(keys));
    crash_point("store.counts-written");
    Counts::publish(store_.layout(), store_.id(), client_, state);
    crash_point("store.counts-published");
  }

  [[nodiscard]] std::string write_keys(SortedRecords& keys) const {
    RunWriter writer(folder_, store_.id(), RunShape{}, keys.size(), {});
    while (const std::optional<std::string_view> next = keys.next()) writer.add(key_from(*next));
    return base_name(writer.finish());
  }

  // The smallest runs together, as long as the next one is not much larger than they are: so there are few
  // runs, and each difference is written a few times.
  void merge(Counts::State& state) const {
    std::vector<std::unique_ptr<Run>> runs;
    for (const std::string& name : state.runs)
      runs.push_back(std::make_unique<Run>(folder_ + "/" + name, store_.id(), RunKind::Counted));
    std::sort(runs.begin(), runs.end(), [](const auto& a, const auto& b) { return a->size() < b->size(); });
    std::vector<const Run*> inputs;
    std::uint64_t records = 0;
    for (const auto& run : runs) {
      if (!inputs.empty() && run->size() > 2 * records) break;
      inputs.push_back(run.get());
      records += run->size();
    }
    if (inputs.size() < 2) return;
    const std::vector<std::string> merged = write_differences(
        folder_, store_.id(), [&](const Counts::Sink& sink) { for_each_sum(inputs, sink); });
    for (const Run* run : inputs) std::erase(state.runs, base_name(run->path()));
    state.runs.insert(state.runs.end(), merged.begin(), merged.end());
  }

  StoreImpl& store_;
  const std::string& client_;
  std::string folder_;
  std::uint64_t line_;
  SnapshotLog log_;
};

}  // namespace

std::optional<Counts> usable_counts(StoreImpl& store, const std::string& client, std::uint64_t line) {
  std::optional<Counts> out = Counts::load(store.layout(), store.id(), client);
  if (!out || out->state().line > line) return std::nullopt;
  const SnapshotLog log(store.layout(), store.id(), client);
  if (log.hash_at(out->state().line) != out->state().hash) return std::nullopt;
  try {
    if (!out->intact()) return std::nullopt;
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt && !is_media_error(error)) throw;
    return std::nullopt;
  }
  return out;
}

Counts count_to(StoreImpl& store, const std::string& client, std::uint64_t line, bool anew) {
  return Update(store, client, line).run(anew);
}

void settle_counts(StoreImpl& store, const std::string& client, bool swept) {
  const std::optional<Counts> counts = Counts::load(store.layout(), store.id(), client);
  if (!counts) return;
  Counts::State state = counts->state();
  if (state.unnamed.empty() && (state.swept || !swept)) return;
  state.unnamed.clear();
  state.swept = state.swept || swept;
  Counts::publish(store.layout(), store.id(), client, state);
}

}  // namespace bk::store
