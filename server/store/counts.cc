#include "server/store/counts.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/io/temporary.h"
#include "common/text/document.h"
#include "common/text/escape.h"
#include "server/store/bad_sectors.h"
#include "server/store/run_set.h"
#include "server/store/run_writer.h"

#include <algorithm>
#include <bit>
#include <deque>
#include <queue>
#include <set>

namespace bk::store {
namespace {

constexpr std::uint64_t kMaxTextBytes = 1U << 20U;
constexpr std::uint64_t kLargestRecords = 1U << 31U;  // of a run
constexpr int kLooks = 100;                           // at counts that a clean replaces meanwhile

std::string shown(const StoreId& store) {
  return hex_encode({reinterpret_cast<const char*>(store.data()), store.size()});
}

// "name digest"
std::pair<std::string, std::string> parse_run(const std::string& text) {
  const std::size_t space = text.find(' ');
  const std::string name = text.substr(0, space);
  if (space == std::string::npos || !name.ends_with(".run") || name.find('/') != std::string::npos)
    throw Error(Kind::Protocol, quoted(text) + " is no run");
  return {name, text.substr(space + 1)};
}

std::int64_t difference(const Slot& slot) {
  return slot.position == 0 ? std::int64_t{slot.offset} : -std::int64_t{slot.offset};
}

Slot slot_of(std::int64_t difference) {
  const std::uint64_t amount = static_cast<std::uint64_t>(difference < 0 ? -difference : difference);
  if (amount > UINT32_MAX)
    throw Error(Kind::Refused, "an object is named more than 4,294,967,295 times by one client");
  Slot out;
  out.offset = static_cast<std::uint32_t>(amount);
  out.position = difference < 0 ? 1 : 0;
  return out;
}

}  // namespace

std::optional<Counts> Counts::load(const Layout& layout, const StoreId& store, const std::string& client,
                                   std::uint64_t held_bytes, std::string* problem) {
  const std::string folder = Counts::folder(layout, client);
  // Who may write makes what a disk does not give back anew.
  const auto given_up = [layout, client](const std::string& run) -> std::string {
    if (!has_media_error(run)) return {};
    try {
      discard(layout, client);
    } catch (const Error&) {
      return {};  // who may only read
    }
    return ", which the client's next backup and the next clean make anew";
  };
  for (int look = 0;; ++look) {
    try {
      const std::optional<std::string> text = try_read_file(folder + "/header", kMaxTextBytes);
      if (!text) return std::nullopt;
      const Document doc = Document::parse(*text, "bk-counts");
      if (doc.get("store") != shown(store)) return std::nullopt;
      Counts out;
      out.state_.line = doc.get_number("line");
      out.state_.hash = doc.get("hash");
      out.state_.keys = doc.get_number("keys");
      out.state_.swept = doc.get("swept") == "yes";
      const auto open = [&](std::string_view key, RunKind kind, std::vector<std::string>& names,
                            std::vector<std::unique_ptr<Run>>& runs) {
        for (const std::string& line : doc.all(key)) {
          auto [name, digest] = parse_run(line);
          runs.push_back(std::make_unique<Run>(folder + "/" + name, store, kind, given_up));
          out.digests_.push_back(std::move(digest));
          names.push_back(std::move(name));
        }
      };
      open("run", RunKind::Counted, out.state_.runs, out.runs_);
      open("unnamed", RunKind::Keys, out.state_.unnamed, out.unnamed_);
      for (const auto& run : out.runs_) {
        run->hold_in_memory(run->bytes() <= held_bytes);
        if (run->bytes() <= held_bytes) held_bytes -= run->bytes();
      }
      return out;
    } catch (const Error& error) {
      if (error.sys_errno() == ENOENT && look < kLooks) continue;  // replaced just now
      if (error.sys_errno() != ENOENT && error.kind() != Kind::Corrupt && error.kind() != Kind::Protocol &&
          !is_media_error(error))
        throw;
      if (problem != nullptr) *problem = error.what();
      return std::nullopt;
    }
  }
}

void Counts::publish(const Layout& layout, const StoreId& store, const std::string& client,
                     const State& state) {
  const std::string folder = Counts::folder(layout, client);
  Document doc("bk-counts", 1);
  doc.add("store", shown(store)).add("line", state.line).add("hash", state.hash).add("keys", state.keys);
  doc.add("swept", state.swept ? "yes" : "no");
  std::set<std::string> named;
  const auto add = [&](std::string_view key, RunKind kind, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      doc.add(key, name + " " + Run(folder + "/" + name, store, kind).digest());
      named.insert(name);
    }
  };
  add("run", RunKind::Counted, state.runs);
  add("unnamed", RunKind::Keys, state.unnamed);
  replace_durably(folder + "/header", doc.write());
  for (const std::string& name : list_directory(folder)) {
    if (name.ends_with(".run") && !named.contains(name)) remove_durably(folder + "/" + name);
    if (name.ends_with(".run.tmp")) (void)remove_abandoned(folder + "/" + name);
  }
}

void Counts::discard(const Layout& layout, const std::string& client) {
  const std::string folder = Counts::folder(layout, client);
  if (is_directory(folder)) remove_durably(folder + "/header");
}

std::vector<std::int64_t> Counts::of(std::span<const Key> keys) const {
  std::vector<std::int64_t> out(keys.size(), 0);
  find_many(runs_, keys, [&](std::size_t i, const Run& run, std::uint64_t record) {
    out[i] += difference(run.slot(record));
  });
  return out;
}

bool Counts::intact() const {
  std::size_t at = 0;
  for (const auto* const runs : {&runs_, &unnamed_}) {
    for (const auto& run : *runs) {
      if (run->digest() != digests_[at++] || !run->intact()) return false;
    }
  }
  return true;
}

void Counts::for_each(const Sink& sink) const {
  std::vector<const Run*> runs;
  for (const auto& run : runs_) runs.push_back(run.get());
  for_each_sum(runs, sink);
}

std::uint64_t Counts::unnamed_keys() const {
  std::uint64_t sum = 0;
  for (const auto& run : unnamed_) sum += run->size();
  return sum;
}

void Counts::for_each_unnamed(const std::function<void(const Key&)>& sink) const {
  for (const auto& run : unnamed_)
    for (RunCursor cursor(*run); cursor.next();) sink(cursor.key());
}

void for_each_sum(std::span<const Run* const> runs, const Counts::Sink& sink) {
  const auto later = [](const RunCursor* a, const RunCursor* b) { return a->key() > b->key(); };
  std::priority_queue<RunCursor*, std::vector<RunCursor*>, decltype(later)> queue(later);
  std::deque<RunCursor> cursors;
  for (const Run* run : runs) {
    if (cursors.emplace_back(*run).next()) queue.push(&cursors.back());
  }
  while (!queue.empty()) {
    const Key key = queue.top()->key();
    std::int64_t sum = 0;
    while (!queue.empty() && queue.top()->key() == key) {
      RunCursor* const first = queue.top();
      queue.pop();
      sum += difference(first->slot());
      if (first->next()) queue.push(first);
    }
    if (sum != 0) sink(key, sum);
  }
}

std::vector<std::string> write_differences(const std::string& folder, const StoreId& store,
                                           const std::function<void(const Counts::Sink&)>& records) {
  RunShape shape;
  shape.kind = RunKind::Counted;
  std::uint64_t count = 0;
  records([&](const Key&, std::int64_t difference) {
    shape.widen(slot_of(difference));
    ++count;
  });
  std::vector<std::string> out;
  std::optional<RunWriter> writer;
  std::uint64_t room = 0;  // in the run in the making
  const auto finish = [&] {
    if (writer) out.push_back(base_name(writer->finish()));
    writer.reset();
  };
  records([&](const Key& key, std::int64_t difference) {
    if (room == 0) {
      finish();
      room = std::min(count, kLargestRecords);
      count -= room;
      writer.emplace(folder, store, shape, room, std::vector<Coverage>{});
    }
    writer->add(key, slot_of(difference));
    --room;
  });
  finish();
  return out;
}

}  // namespace bk::store
