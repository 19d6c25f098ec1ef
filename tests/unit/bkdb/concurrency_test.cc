// Several backups, removals, cleans, verifies and readers at once in one store, with small chunks: nothing
// waits for ever, nothing is lost, nothing is said to be damaged.  The short form takes seconds, the long one
// five minutes.  Threads, so that tsan sees them; each has a Store of its own, as each process would.
#include "common/error/error.h"
#include "common/io/file.h"
#include "server/bkdb/verify.h"
#include "server/store/store.h"
#include "server/store/tree.h"
#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

namespace bk::test {
namespace {

using namespace std::chrono_literals;
using store::Store;

#ifdef BK_LONG_FORM
constexpr auto kHowLong = 300s;
#else
constexpr auto kHowLong = 5s;
#endif
constexpr auto kStuck = 120s;

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  unsigned operator()() { return static_cast<unsigned>(engine_()); }

 private:
  std::mt19937 engine_;
};

using Files = std::map<std::string, std::string>;

// Content as small chunks of 50 to 700 bytes, most of which others have, too.
std::string content_of(Random& random) {
  std::string out;
  for (unsigned i = random() % 12; i-- > 0;) {
    Random piece(random() % 400);
    for (unsigned n = 50 + piece() % 650; n-- > 0;) out.push_back(static_cast<char>(piece()));
  }
  return out;
}

class Everything {
 public:
  explicit Everything(std::string folder) : folder_(std::move(folder)) { (void)Store::open(folder_, true); }

  void run() {
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < 4; ++i)
      start(threads, "backup", [this, i](auto& random) { back_up(random, i % 3); });
    start(threads, "removal", [this](auto& random) { remove_one(random); });
    start(threads, "clean", [this](auto& random) { clean(random); });
    start(threads, "verify", [this](auto&) { verify(); });
    start(threads, "reader", [this](auto& random) { read_one(random); });
    watch();
    stop_ = true;
    threads.clear();
    for (const Actor& actor : actors_)
      std::printf("%s: %lu times\n", actor.name, static_cast<unsigned long>(actor.rounds.load()));
  }

  // When all is over.
  void expect_whole() {
    const auto store = Store::open(folder_);
    store::CleanOptions options;
    options.rewrite_percent = 0;
    options.all = true;  // also what a clean left because it was little of a pack, and what never was named
    for (int i = 0; i < 2; ++i) EXPECT_EQ(store->clean(options).waits_for, 0U);
    options.pretend = true;
    EXPECT_EQ(store->clean(options).unneeded, 0U);
    std::size_t count = 0;
    for (const store::SnapshotRecord& record : store->snapshots()) {
      ++count;
      EXPECT_EQ(read(*store, record), expected_.at(record.id)) << record.id;
    }
    EXPECT_EQ(count, expected_.size());
    verify();
    store->rebuild_index({});
    verify();
    EXPECT_EQ(problems_, std::set<std::string>{});
  }

 private:
  struct Actor {
    explicit Actor(const char* what) : name(what) {}
    const char* name;
    std::atomic<std::uint64_t> rounds{0};
  };

  void start(std::vector<std::jthread>& threads, const char* name,
             const std::function<void(Random&)>& round) {
    Actor& actor = actors_.emplace_back(name);
    threads.emplace_back([this, &actor, round, seed = actors_.size()] {
      Random random(static_cast<unsigned>(seed));
      while (!stop_) {
        try {
          round(random);
        } catch (const Error& error) {
          if (error.kind() != Kind::Transient) problem(std::string(actor.name) + ": " + error.what());
        }
        ++actor.rounds;
      }
    });
  }

  // Ends when the time is over; ends the process when somebody does nothing any more.
  void watch() {
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + kHowLong;
    std::map<const Actor*, std::pair<std::uint64_t, Clock::time_point>> seen;
    while (Clock::now() < end) {
      std::this_thread::sleep_for(50ms);
      for (const Actor& actor : actors_) {
        auto& [rounds, since] = seen.try_emplace(&actor, 0, Clock::now()).first->second;
        if (actor.rounds != rounds) {
          rounds = actor.rounds;
          since = Clock::now();
        }
        if (Clock::now() - since < kStuck) continue;
        std::fprintf(stderr, "%s is stuck\n", actor.name);
        std::abort();
      }
    }
  }

  void problem(const std::string& text) {
    const std::lock_guard lock(mutex_);
    problems_.insert(text);
  }
  bool is_expected(const std::string& id) {
    const std::lock_guard lock(mutex_);
    return expected_.contains(id);
  }

  static Files read(Store& store, const store::SnapshotRecord& record) {
    Files out;
    store::DirectoryReader reader(store, record.root.node);
    while (const auto entry = reader.next()) {
      std::string& content = out[entry->name];
      store::for_each_extent(
          store, *entry, [&](const Extent& extent) { content += store.read(ObjectKind::Data, extent.id); });
    }
    return out;
  }

  static Entry put_file(store::Writer& writer, const std::string& name, const std::string& content) {
    Entry entry;
    entry.name = name;
    entry.mode = 0644;
    entry.size = content.size();
    Random sizes(static_cast<unsigned>(content.size()));
    for (std::size_t at = 0; at < content.size();) {
      const std::string piece = content.substr(at, 100 + sizes() % 400);
      entry.content.push_back({Extent::Kind::Chunk, piece.size(), writer.put(ObjectKind::Data, piece), {}});
      at += piece.size();
    }
    return entry;
  }

  void back_up(Random& random, unsigned number) {
    const std::string client = "web" + std::to_string(number), name = "/srv/" + std::to_string(random() % 3);
    const auto store = Store::open(folder_);
    const auto writer = store->writer(client, "wiki", "rsync", name);
    (void)store->checkpoint(client, "wiki", "rsync", name);
    Files files;
    store::DirectoryWriter directory(*writer);
    const unsigned count = 5 + random() % 30;
    for (unsigned i = 0; i < count; ++i) files["f" + std::to_string(100 + i)] = content_of(random);
    for (const auto& [path, content] : files) directory.add(put_file(*writer, path, content));
    store::SnapshotRecord record;
    record.client = client;
    record.module = "wiki";
    record.method = "rsync";
    record.name = name;
    record.began = record.ended = {1783000100, 0};
    record.root.type = EntryType::Directory;
    record.root.node = directory.finish().node;
    if (random() % 4 == 0)
      writer->save_checkpoint({client, "wiki", "rsync", name, {1783000100, 0}, {}, record.root.node, false});
    if (random() % 8 == 0) return;  // given up
    {
      // Expected from the moment on at which others may see it.
      const std::lock_guard lock(committing_);
      record = writer->commit(std::move(record));
      const std::lock_guard both(mutex_);
      expected_[record.id] = files;
    }
    if (read(*store, record) != files && is_expected(record.id))
      problem("snapshot " + record.id + " is not what was put");
  }

  void remove_one(Random& random) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    const auto store = Store::open(folder_);
    const auto all = store->snapshots();
    if (all.size() < 12) return;
    const store::SnapshotRecord& chosen = all[random() % all.size()];
    {
      const std::lock_guard lock(committing_);
      const std::lock_guard both(mutex_);
      expected_.erase(chosen.id);
    }
    const std::vector<std::string> ids{chosen.id};
    store->mark_snapshots(chosen.client, {store::MarkKind::Removal, {1783000200, 0}, "root", ""}, ids);
  }

  void clean(Random& random) {
    const auto store = Store::open(folder_);
    store::CleanOptions options;
    options.rewrite_percent = random() % 2 == 0 ? 0 : 25;
    (void)store->clean(options);
  }

  void read_one(Random& random) {
    const auto store = Store::open(folder_);
    const auto all = store->snapshots();
    if (all.empty()) return;
    const store::SnapshotRecord& chosen = all[random() % all.size()];
    try {
      const Files files = read(*store, chosen);
      const std::lock_guard lock(mutex_);
      const auto known = expected_.find(chosen.id);
      if (known != expected_.end() && known->second != files) problems_.insert("other content: " + chosen.id);
    } catch (const Error& error) {
      if (is_expected(chosen.id)) throw;  // else it was removed meanwhile
    }
  }

  void verify() {
    const auto store = Store::open(folder_);
    std::vector<store::SnapshotRecord> all;
    {
      const std::lock_guard lock(committing_);  // everything that is seen is expected
      all = store->snapshots();
    }
    std::vector<const store::SnapshotRecord*> chosen;
    for (const store::SnapshotRecord& record : all) chosen.push_back(&record);
    bkdb::GoodChunks good(*store);
    store::PackPlan plan;
    plan.good = [&](std::span<const store::ChunkMark> marks) { good.add(marks); };
    (void)store->check_packs(plan, [&](const store::PackProblem& found) { problem("pack: " + found.text); },
                             {});
    store->check_records([&](const store::PackProblem& found) { problem("record: " + found.text); });
    const bkdb::VerifyTotals totals = bkdb::verify_snapshots(
        *store, chosen, {true, &good},
        [&](const store::SnapshotRecord& record, const std::string& path, const bkdb::Reason& reason) {
          if (is_expected(record.id)) problem("verify: " + record.id + " " + path + " " + reason.text);
        });
    if (totals.snapshots != all.size()) problem("verify left some out");
  }

  std::string folder_;
  std::deque<Actor> actors_;
  std::atomic<bool> stop_{false};
  std::mutex committing_, mutex_;
  std::map<std::string, Files> expected_;
  std::set<std::string> problems_;
};

TEST(Concurrency, BackupsACleanAndAVerifyAtOnceLoseNothingAndWaitForNobody) {
  const TempDir scratch(TempDir::fast());
  Everything everything(scratch.file("home/store"));
  everything.run();
  everything.expect_whole();
}

}  // namespace
}  // namespace bk::test
