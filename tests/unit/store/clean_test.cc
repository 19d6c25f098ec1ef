#include "server/store/store_impl.h"
#include "server/store/writers.h"
#include "tests/unit/store/store_fixture.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <random>
#include <set>
#include <thread>

namespace bk::store {
namespace {

using namespace std::chrono_literals;
using namespace test;  // NOLINT: builders

using Files = std::map<std::string, std::string>;

class CleanTest : public StoreTest {
 protected:
  static void remove(Store& store, const std::string& client, const std::vector<std::string>& ids) {
    store.mark_snapshots(client, {MarkKind::Removal, {1783000200, 0}, "root", ""}, ids);
  }
  static CleanTotals clean(Store& store, unsigned rewrite_percent = 0, bool all = false) {
    CleanOptions options;
    options.rewrite_percent = rewrite_percent;
    options.all = all;
    return store.clean(options);
  }
  static Files read_back(Store& store, const SnapshotRecord& record) {
    Files out;
    DirectoryReader reader(store, record.root.node);
    while (const auto entry = reader.next()) out[entry->name] = content_of(store, *entry);
    return out;
  }
  [[nodiscard]] std::uint64_t stored() const { return bytes_in(home() + "/store"); }
  // Everything that is in the store, or in its packs and journals at all.
  static std::uint64_t unneeded(Store& store) {
    CleanOptions options;
    options.pretend = true;
    return store.clean(options).unneeded;
  }
};

TEST_F(CleanTest, WhatOnlyRemovedSnapshotsNamedGoesAndTheRestStays) {
  auto store = open();
  const Files shared{{"same", noise(300000, 1)}};
  Files first = shared, second = shared;
  first["old"] = noise(2000000, 2);
  second["new"] = noise(20000, 3);
  const std::string gone = commit(*store, "web1", first).id;
  const SnapshotRecord stays = commit(*store, "web1", second);
  EXPECT_EQ(unneeded(*store), 0U);
  remove(*store, "web1", {gone});
  EXPECT_GE(unneeded(*store), 2U);
  const std::uint64_t before = stored();
  const CleanTotals totals = clean(*store);
  EXPECT_GT(totals.packs_removed, 0U);
  EXPECT_LT(stored() + 1900000, before);
  EXPECT_EQ(unneeded(*store), 0U);
  EXPECT_EQ(read_back(*store, stays), second);
  const auto again = open();
  EXPECT_EQ(read_back(*again, stays), second);
  EXPECT_EQ(problems(*again), std::vector<std::string>{});
  again->rebuild_index({});
  EXPECT_EQ(read_back(*again, stays), second);
}

TEST_F(CleanTest, NothingGoesWithoutAReason) {
  auto store = open();
  const Files files{{"a", noise(100000, 1)}};
  (void)commit(*store, "web1", files);
  const std::uint64_t before = stored();
  EXPECT_EQ(clean(*store).unneeded, 0U);
  EXPECT_EQ(stored(), before);
}

TEST_F(CleanTest, WhatIsRemovedIsStoredAgainWhenItComesAgain) {
  auto store = open();
  const Files files{{"a", noise(100000, 1)}};
  const std::string gone = commit(*store, "web1", files).id;
  const SnapshotRecord other = commit(*store, "web1", {{"b", noise(5000, 2)}});
  remove(*store, "web1", {gone});
  (void)clean(*store);
  for (Store* each : {store.get()}) {
    const auto writer = each->writer("web1", "wiki", "rsync", "/srv");
    const ChunkId id = chunk_id(ObjectKind::Data, files.at("a"));
    EXPECT_FALSE(writer->contains(id));
    EXPECT_FALSE(writer->possession().has(std::vector{id}).front());
  }
  const SnapshotRecord again = commit(*store, "web1", files);
  EXPECT_EQ(read_back(*store, again), files);
  EXPECT_EQ(clean(*store).unneeded, 0U);
  EXPECT_EQ(read_back(*store, again), files);
}

// It remembers a journal that became a pack and went.
TEST_F(CleanTest, AStoreThatWasOpenTakesNothingForKnownThatIsGone) {
  auto store = open();
  const Files files{{"file", noise(100000, 4)}};
  const std::string gone = commit(*store, "web1", files).id;
  const auto other = open();
  remove(*store, "web1", {gone});
  EXPECT_GT(clean(*store).packs_removed, 0U);
  const SnapshotRecord again = commit(*other, "web1", files);
  EXPECT_EQ(read_back(*open(), again), files);
}

TEST_F(CleanTest, APossessionEndsWithItsSnapshotsAlsoWhenOthersHaveTheSame) {
  auto store = open();
  const Files files{{"a", noise(100000, 1)}};
  const std::vector<ChunkId> ids{chunk_id(ObjectKind::Data, files.at("a"))};
  const std::string gone = commit(*store, "web1", files).id;
  (void)commit(*store, "web2", files);
  remove(*store, "web1", {gone});
  (void)clean(*store);
  EXPECT_FALSE(store->writer("web1", "wiki", "rsync", "/srv")->possession().has(ids).front());
  EXPECT_TRUE(store->writer("web2", "wiki", "rsync", "/srv")->possession().has(ids).front());
}

TEST_F(CleanTest, AWriterThatBeganBeforeKeepsWhatItTookAsKnown) {
  auto store = open();
  const Files files{{"a", noise(100000, 1)}};
  const std::string gone = commit(*store, "web1", files).id;
  (void)commit(*store, "web1", {{"b", noise(5000, 2)}});
  remove(*store, "web1", {gone});
  const auto other = open();
  auto writer = other->writer("web2", "wiki", "rsync", "/srv");
  const SnapshotRecord made = snapshot_of(*writer, files, "web2");  // all of it is known
  const CleanTotals first = clean(*store);
  EXPECT_EQ(first.waits_for, 1U);
  EXPECT_EQ(first.packs_removed, 0U);
  // Whoever comes now stores it again.
  EXPECT_FALSE(
      store->writer("web3", "wiki", "rsync", "/srv")->contains(chunk_id(ObjectKind::Data, files.at("a"))));
  EXPECT_EQ(clean(*store).waits_for, 1U);
  const SnapshotRecord done = writer->commit(made);
  writer.reset();
  EXPECT_EQ(clean(*store).waits_for, 0U);
  EXPECT_EQ(read_back(*open(), done), files);
  EXPECT_EQ(unneeded(*store), 0U);
  EXPECT_EQ(problems(*store), std::vector<std::string>{});
}

TEST_F(CleanTest, ACheckpointKeepsWhatItNames) {
  auto store = open();
  SnapshotRecord part;
  {
    const auto writer = store->writer("web1", "wiki", "rsync", "/srv");
    part = snapshot_of(*writer, {{"a", noise(50000, 1)}});
    writer->save_checkpoint(
        {"web1", "wiki", "rsync", "/srv", {1783000100, 0}, {1783000101, 0}, part.root.node, false});
    (void)writer->put(ObjectKind::Data, noise(50000, 2));
  }
  EXPECT_EQ(unneeded(*store), 1U);
  (void)clean(*store);
  EXPECT_EQ(unneeded(*store), 0U);
  EXPECT_EQ(read_back(*open(), part).at("a"), noise(50000, 1));
}

TEST_F(CleanTest, ACheckpointThatARunningPullTookOverStaysWhenItIsReplaced) {
  auto store = open();
  const std::string client = "web1";
  SnapshotRecord old;
  {
    const auto writer = store->writer(client, "wiki", "rsync", "/srv");
    old = snapshot_of(*writer, {{"a", noise(50000, 1)}});
    writer->save_checkpoint(
        {client, "wiki", "rsync", "/srv", {1783000100, 0}, {1783000101, 0}, old.root.node, false});
  }
  const auto other = open();
  const auto writer = other->writer(client, "wiki", "rsync", "/srv");
  ASSERT_TRUE(other->checkpoint(client, "wiki", "rsync", "/srv").has_value());
  const SnapshotRecord part = snapshot_of(*writer, {{"z", "z"}});
  writer->save_checkpoint(
      {client, "wiki", "rsync", "/srv", {1783000200, 0}, {1783000201, 0}, part.root.node, false});
  EXPECT_EQ(unneeded(*store), 0U);
}

TEST_F(CleanTest, DamageOfAnythingThatMustStayRefuses) {
  auto store = open();
  const std::string gone = commit(*store, "web1", {{"a", noise(50000, 1)}}).id;
  (void)commit(*store, "web1", {{"b", noise(50000, 2)}});
  remove(*store, "web1", {gone});
  const auto refused = [&] {
    try {
      (void)clean(*open());
      return false;
    } catch (const Error& error) {
      return error.kind() == Kind::Refused;
    }
  };
  const std::string folder = home() + "/store/snapshots";
  for (const std::string& path : files_in(folder)) {
    if (path.ends_with("/lock") || path.ends_with("/journal")) continue;
    if (path.find("00000001.snapshot") != std::string::npos) continue;  // of the removed one
    const std::string whole = read_file(path);
    replace_durably(path, whole.substr(0, whole.size() / 2));
    EXPECT_TRUE(refused()) << path;
    remove_durably(path);
    EXPECT_TRUE(refused()) << path;
    replace_durably(path, whole);
  }
  replace_durably(folder + "/web1/stray.txt", "");
  EXPECT_TRUE(refused());
  remove_durably(folder + "/web1/stray.txt");
  ASSERT_EQ(::rename((folder + "/web1").c_str(), (home() + "/aside").c_str()), 0);
  EXPECT_TRUE(refused()) << "a client that is missing as a whole";
  ASSERT_EQ(::rename((home() + "/aside").c_str(), (folder + "/web1").c_str()), 0);
  EXPECT_FALSE(refused());
}

TEST_F(CleanTest, SmallPacksAreMergedAndDoublesGo) {
  auto store = open();
  Files files;
  for (int i = 0; i < 12; ++i) {
    files["f" + std::to_string(i)] = noise(30000, static_cast<std::uint64_t>(100 + i));
    (void)commit(*store, "web1", files);
    seal_all(*store);
  }
  EXPECT_EQ(files_in(home() + "/store/packs").size(), 24U) << "with parity";
  const SnapshotRecord first = store->snapshots().front();
  remove(*store, "web1", {first.id});
  const CleanTotals totals = clean(*store);
  EXPECT_EQ(totals.packs_removed, 12U);
  EXPECT_EQ(files_in(home() + "/store/packs").size(), 0U) << "all in a journal now";
  EXPECT_EQ(read_back(*open(), store->snapshots().back()), files);
  EXPECT_EQ(problems(*open()), std::vector<std::string>{});
}

TEST_F(CleanTest, JournalsThatNobodyOwnsBecomePacksButForOneThatTheNextWriterTakes) {
  auto store = open();
  const auto journals = [&] { return files_in(home() + "/store/journal").size(); };
  Files files;
  {
    std::vector<std::unique_ptr<Writer>> together;
    for (int i = 0; i < 4; ++i) {
      files["f" + std::to_string(i)] = noise(30000, static_cast<std::uint64_t>(i));
      together.push_back(store->writer("web1", "wiki", "rsync", "/srv" + std::to_string(i)));
      (void)together.back()->put(ObjectKind::Data, files["f" + std::to_string(i)]);
      together.back()->sync();
    }
    EXPECT_EQ(journals(), 4U);
  }
  const SnapshotRecord all = commit(*store, "web1", files);
  const auto living = store->writer("web1", "wiki", "rsync", "/other");
  (void)living->put(ObjectKind::Data, noise(100, 77));
  living->sync();
  (void)clean(*store);
  EXPECT_LE(journals(), 2U) << "the living one's, and one for the next";
  EXPECT_GE(files_in(home() + "/store/packs").size(), 4U) << "two packs, with parity";
  EXPECT_EQ(read_back(*open(), all), files);
  EXPECT_EQ(problems(*open()), std::vector<std::string>{});
}

// Random backups, removals and cleans: whatever remains reads back whole, and nothing else remains.
TEST_F(CleanTest, RandomBackupsRemovalsAndCleansLoseNothingAndLeaveNothing) {
  std::mt19937 random(11);
  auto store = open();
  std::map<std::string, std::map<std::string, Files>> model;  // client, id
  std::map<std::string, Files> now;
  for (int step = 0; step < 120; ++step) {
    const std::string client = "web" + std::to_string(random() % 3);
    switch (random() % 6) {
      case 0:
      case 1:
      case 2: {
        Files& files = now[client];
        for (unsigned i = 0; i < 4; ++i)
          files["f" + std::to_string(random() % 12)] = noise(100 + random() % 40000, 1 + random() % 60);
        if (random() % 3 == 0 && !files.empty()) files.erase(files.begin());
        model[client][commit(*store, client, files).id] = files;
        break;
      }
      case 3: {
        auto& snapshots = model[client];
        if (snapshots.empty()) break;
        const auto at = std::next(snapshots.begin(), static_cast<long>(random() % snapshots.size()));
        remove(*store, client, {at->first});
        snapshots.erase(at);
        break;
      }
      case 4:
        (void)clean(*store, random() % 2 == 0 ? 0U : 25U, random() % 3 == 0);
        break;
      default:
        store = open();
    }
    if (step % 10 != 9) continue;
    (void)clean(*store, 0, true);  // also what was left because it was little of a pack
    ASSERT_EQ(unneeded(*store), 0U) << step;
    std::size_t count = 0;
    for (const SnapshotRecord& record : store->snapshots()) {
      ASSERT_EQ(read_back(*store, record), model[record.client].at(record.id)) << step;
      ++count;
    }
    std::size_t expected = 0;
    for (const auto& [name, snapshots] : model) expected += snapshots.size();
    ASSERT_EQ(count, expected);
  }
  EXPECT_EQ(problems(*open()), std::vector<std::string>{});
}

SnapshotRecord commit_chunked(Store& store, const Files& files) {
  auto writer = store.writer("web1", "wiki", "rsync", "/srv");
  SnapshotRecord record = snapshot_of(*writer, {});
  DirectoryWriter directory(*writer);
  for (const auto& [name, content] : files) directory.add(chunked_entry(store, *writer, name, content));
  record.root.node = directory.finish().node;
  return writer->commit(std::move(record));
}

// Lines that repeat far apart, like sources.
std::string text_like(std::size_t size, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string out;
  while (out.size() < size)
    out += "  if (value_" + std::to_string(random() % 997) + " != other_" + std::to_string(random() % 3001) +
           ") return;\n";
  return out;
}

TEST_F(CleanTest, PacksAreCompressedAnewOnceAndReadAsBefore) {
  auto store = open();
  Files files{{"tiny", "content"}, {"noise", noise(1U << 20U, 5)}};
  for (std::uint64_t i = 0; i < 16; ++i)
    files["f" + std::to_string(100 + i)] = text_like(1U << 20U, i % 15 + 1);
  const SnapshotRecord record = commit_chunked(*store, files);
  seal_all(*store);
  const std::uint64_t before = stored();
  CleanOptions options;
  options.compress_level = 12;
  std::vector<std::uint64_t> done;
  std::set<std::uint64_t> all;
  options.compressing = [&](std::uint64_t done_bytes, std::uint64_t all_bytes) {
    done.push_back(done_bytes);
    all.insert(all_bytes);
  };
  const CleanTotals totals = store->clean(options);
  EXPECT_GT(done.size(), 10U);
  EXPECT_TRUE(std::is_sorted(done.begin(), done.end()));
  EXPECT_EQ(all, std::set<std::uint64_t>{done.back()});
  EXPECT_EQ(done.back(), totals.freed_bytes);
  EXPECT_GT(totals.packs_rewritten, 0U);
  EXPECT_EQ(totals.packs_damaged, 0U);
  EXPECT_EQ(read_back(*store, record), files);
  EXPECT_EQ(problems(*store), std::vector<std::string>{});
  EXPECT_LE(unneeded(*store), 1U);  // the empty folder that snapshot_of() makes
  seal_all(*store);
  EXPECT_LT(stored(), before);
  EXPECT_EQ(store->clean(options).packs_rewritten, 0U);
  EXPECT_EQ(read_back(*open(), record), files);
}

// Who lists the living removes what killed writers left; one that registers just then is none of them.
TEST_F(CleanTest, AWriterThatRegistersWhileTheLivingAreListedIsOneOfThem) {
  Layout layout;
  layout.store = home() + "/store";
  layout.index = home() + "/index";
  const WriterRoll roll(layout);
  std::atomic<bool> over{false};
  std::vector<std::jthread> listing;
  for (int i = 0; i < 3; ++i)
    listing.emplace_back([&] {
      while (!over) (void)roll.living();
    });
  const auto stop = std::chrono::steady_clock::now() + 1s;
  std::size_t registered = 0, missed = 0;
  for (; std::chrono::steady_clock::now() < stop; ++registered) {
    const WriterRegistration writer(layout, {});
    if (roll.living().empty()) ++missed;
  }
  over = true;
  listing.clear();
  EXPECT_EQ(missed, 0U) << "of " << registered;
}

}  // namespace
}  // namespace bk::store
