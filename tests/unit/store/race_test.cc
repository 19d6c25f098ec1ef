// Processes that meet at the worst moment: each test lets the other one act between two steps of the first.
#include "common/io/lock.h"
#include "common/storage/folder_storage.h"
#include "server/store/checkpoint_folder.h"
#include "server/store/damage_list.h"
#include "server/store/live.h"
#include "server/store/possession.h"
#include "server/store/reserve.h"
#include "server/store/store_impl.h"
#include "tests/unit/store/hooked_calls.h"
#include "tests/unit/store/hooked_storage.h"
#include "tests/unit/store/store_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

namespace bk::store {
namespace {

using namespace std::chrono_literals;
using namespace test;  // NOLINT: builders

using Files = std::map<std::string, std::string>;

class RaceTest : public StoreTest {
 protected:
  // The store with its packs and records behind hooks.
  struct Hooked {
    std::shared_ptr<HookedStorage> storage;
    std::unique_ptr<Store> store;
  };
  [[nodiscard]] Hooked open_hooked() {
    auto storage = std::make_shared<HookedStorage>(std::make_shared<FolderStorage>(home() + "/store"));
    return {storage, Store::open_on(storage, home() + "/store")};
  }
  // Once, when a pack is read next.
  static void at_next_pack(const Hooked& hooked, const std::function<void()>& act) {
    hooked.storage->on_read = [storage = hooked.storage.get(), act](const std::string& name) {
      if (!name.starts_with("packs/")) return;
      const auto keep = std::exchange(storage->on_read, nullptr);
      act();
    };
  }
  static void remove(Store& store, const std::string& id) {
    store.mark_snapshots("web1", {MarkKind::Removal, {1783000200, 0}, "root", ""}, std::vector{id});
  }
  static CleanTotals clean(Store& store) {
    CleanOptions options;
    options.rewrite_percent = 0;
    return store.clean(options);
  }
  static Files read_back(Store& store, const SnapshotRecord& record) {
    Files out;
    DirectoryReader reader(store, record.root.node);
    while (const auto entry = reader.next()) out[entry->name] = content_of(store, *entry);
    return out;
  }
  [[nodiscard]] Layout layout() const {
    Layout out;
    out.store = home() + "/store";
    out.index = home() + "/index";
    out.storage = std::make_shared<FolderStorage>(out.store);
    return out;
  }
  static CheckpointRecord checkpoint_of(const SnapshotRecord& record, std::int64_t began) {
    return {record.client, record.module,  record.method,    record.name,
            {began, 0},    {began + 1, 0}, record.root.node, false};
  }
};

TEST_F(RaceTest, AJournalThatIsBeingMadeIsNobodyElses) {
  const auto store = open(), other = open();
  ChunkId theirs;
  before_flock = [&](const std::string& path) {
    if (parent_of(path) != home() + "/store/journal") return false;
    const auto writer = other->writer("web2", "wiki", "rsync", "/other");
    theirs = writer->put(ObjectKind::Data, noise(9000, 1));
    writer->sync();
    return true;
  };
  const auto writer = store->writer("web1", "wiki", "rsync", "/srv");
  const ChunkId ours = writer->put(ObjectKind::Data, noise(3000, 2));
  writer->sync();
  ASSERT_FALSE(before_flock);
  const auto again = open();
  EXPECT_EQ(again->read(ObjectKind::Data, theirs), noise(9000, 1));
  EXPECT_EQ(again->read(ObjectKind::Data, ours), noise(3000, 2));
  EXPECT_EQ(problems(*again), std::vector<std::string>{});
}

TEST_F(RaceTest, TheLogOfWhatAWriterPutIsNotTakenForAKilledOnes) {
  const auto store = open(), other = open();
  const auto writer = store->writer("web1", "wiki", "rsync", "/srv");
  before_flock = [&](const std::string& path) {
    if (!path.ends_with(".log")) return false;
    (void)other->writer("web1", "wiki", "rsync", "/other");
    return true;
  };
  (void)writer->put(ObjectKind::Data, noise(3000, 2));
  writer->sync();
  ASSERT_FALSE(before_flock);
  std::size_t logs = 0;
  for (const std::string& path : files_in(home() + "/index/possession/web1"))
    if (path.ends_with(".log")) ++logs;
  EXPECT_EQ(logs, 1U);
}

// The pull goes on from a checkpoint of one that the clean waited for, and commits while the clean marks.
TEST_F(RaceTest, WhatMovesFromACheckpointIntoASnapshotWhileACleanMarksStays) {
  const auto store = open();
  const Files files{{"a", noise(100000, 1)}};
  const std::string gone = commit(*store, "web1", files).id;
  (void)commit(*store, "web1", {{"b", noise(5000, 2)}});
  seal_all(*store);
  remove(*store, gone);
  SnapshotRecord part;
  {
    const auto other = open();
    const auto writer = other->writer("web1", "wiki", "rsync", "/srv");
    part = snapshot_of(*writer, files);  // all of it is known
    ASSERT_EQ(clean(*store).waits_for, 1U);
    writer->save_checkpoint(checkpoint_of(part, 1783000300));
  }
  const auto next = open();
  SnapshotRecord done;
  const Hooked hooked = open_hooked();
  at_next_pack(hooked, [&] {
    const auto writer = next->writer("web1", "wiki", "rsync", "/srv");
    ASSERT_TRUE(next->checkpoint("web1", "wiki", "rsync", "/srv").has_value());
    done = writer->commit(part);
  });
  EXPECT_EQ(clean(*hooked.store).waits_for, 0U);
  ASSERT_FALSE(done.id.empty());
  EXPECT_EQ(read_back(*open(), done), files);
  EXPECT_EQ(problems(*open()), std::vector<std::string>{});
}

TEST_F(RaceTest, WhatIsRemovedWhileACleanIsAtWorkIsTheNextOnesReason) {
  const auto store = open();
  const std::string first = commit(*store, "web1", {{"a", noise(100000, 1)}}).id;
  const std::string second = commit(*store, "web1", {{"b", noise(100000, 2)}}).id;
  (void)commit(*store, "web1", {{"c", noise(5000, 3)}});
  seal_all(*store);
  remove(*store, first);
  const Hooked hooked = open_hooked();
  at_next_pack(hooked, [&] { remove(*store, second); });
  EXPECT_EQ(clean(*hooked.store).waits_for, 0U);
  const std::string record = home() + "/store/snapshots/web1/0000000000000000000";
  EXPECT_FALSE(path_exists(record + "1.snapshot"));
  EXPECT_TRUE(path_exists(record + "2.snapshot"));
  EXPECT_GT(clean(*store).unneeded, 0U);
  EXPECT_FALSE(path_exists(record + "2.snapshot"));
  EXPECT_TRUE(path_exists(record + "2.gone"));
}

TEST_F(RaceTest, WhatIsGivenUpWhileACleanIsAtWorkIsTheNextOnesReason) {
  const auto store = open();
  (void)commit(*store, "web1", {{"a", noise(100000, 1)}});
  seal_all(*store);
  const auto give_up = [&] { store->writer("web1", "wiki", "rsync", "/other")->forget_checkpoint(); };
  give_up();
  const Hooked hooked = open_hooked();
  at_next_pack(hooked, give_up);
  (void)clean(*hooked.store);
  EXPECT_TRUE(path_exists(home() + "/index/given-up"));
  (void)clean(*store);
  EXPECT_FALSE(path_exists(home() + "/index/given-up"));
}

// The writer holds what its client possesses, and waits for the index when a node is missing.
TEST_F(RaceTest, ARebuildAndAWriterThatWalksItsClientsSnapshotsDoNotWaitForEachOther) {
  for (const unsigned round : {1U, 2U}) {
    const auto store = open();
    (void)commit(*store, "web1", {{"a", noise(50000, round)}});
    seal_all(*store);
    if (round == 1) continue;
    const auto newest = store->newest("web1", "wiki", "rsync", "/srv");
    const auto place = store->locate(ObjectKind::Tree, std::vector{newest->root.node}).front();
    remove_durably(home() + "/store/" + Layout::pack_object(place->pack));
  }
  remove_durably(home() + "/index/possession/web1/header");
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);
    const Hooked hooked = open_hooked();
    const auto builder = open();
    const auto made = [&] {  // also when it is gone
      std::error_code error;
      return std::filesystem::last_write_time(home() + "/index/header", error);
    };
    std::jthread rebuild;
    at_next_pack(hooked, [&, before = made()] {
      rebuild = std::jthread([&] { builder->rebuild_index({}, true); });
      while (made() == before) std::this_thread::sleep_for(1ms);
    });
    (void)hooked.store->writer("web1", "wiki", "rsync", "/srv");
    rebuild.join();
    ::_exit(hooked.storage->on_read ? 2 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(RaceTest, WhatIsDistrustedWhileItIsMadeIsMadeAgain) {
  const std::string header = home() + "/index/possession/web1/header";
  const Files files{{"a", noise(50000, 1)}};
  (void)commit(*open(), "web1", files);
  seal_all(*open());
  remove_durably(header);
  const Hooked hooked = open_hooked();
  std::size_t walks = 0;
  at_next_pack(hooked, [&] { ClientPossession::distrust(layout(), "web1"); });
  (void)hooked.store->writer("web1", "wiki", "rsync", "/srv");
  const StoreId& id = dynamic_cast<StoreImpl&>(*hooked.store).id();
  const ChunkId chunk = chunk_id(ObjectKind::Data, files.at("a"));
  EXPECT_FALSE(PossessionView(layout(), id, "web1").owns(id.stored(chunk)));
  const Hooked next = open_hooked();
  at_next_pack(next, [&] { ++walks; });
  EXPECT_TRUE(
      next.store->writer("web1", "wiki", "rsync", "/srv")->possession().has(std::vector{chunk}).front());
  EXPECT_EQ(walks, 1U);
}

TEST_F(RaceTest, MarksThatAreBeingMadeAreNoStrays) {
  const auto store = open();
  std::vector<std::string> ids;
  for (const unsigned seed : {1U, 2U, 3U})
    ids.push_back(commit(*store, "web1", {{"a", noise(500, seed)}}).id);
  const Hooked hooked = open_hooked();
  std::vector<std::string> found;
  int puts = 0;
  hooked.storage->before_put = [&](const std::string&) {
    if (++puts == 3) store->check_records([&](const PackProblem& problem) { found.push_back(problem.text); });
  };
  hooked.store->mark_snapshots("web1", {MarkKind::Hold, {1783000200, 0}, "root", ""}, ids);
  EXPECT_EQ(puts, 3);
  EXPECT_EQ(found, std::vector<std::string>{});
}

// Who saves a checkpoint clears away what killed ones left in the client's folder.
TEST_F(RaceTest, AJournalThatAHealMakesAnewIsNotTakenForWhatAKilledOneLeft) {
  const auto store = open();
  SnapshotRecord record;
  for (const unsigned seed : {1U, 2U}) record = commit(*store, "web1", {{"a", noise(500, seed)}});
  const std::string journal = home() + "/store/snapshots/web1/journal";
  std::string damaged = read_file(journal);
  damaged[100] = static_cast<char>(damaged[100] ^ 1);
  replace_durably(journal, damaged);
  before_rename = [&](const std::string& to) {
    if (to != journal) return false;
    CheckpointFolder(layout(), "web1").save(checkpoint_of(record, 1783000300));
    return true;
  };
  EXPECT_EQ(store->heal("", [](const HealEvent&) {}, {}).files_healed, 1U);
  EXPECT_FALSE(before_rename);
  EXPECT_EQ(problems(*open()), std::vector<std::string>{});
}

TEST_F(RaceTest, DamageThatTwoProcessesNoteAtOnceIsAllNoted) {
  const std::string path = home() + "/damaged";
  DamageList ours(path);
  std::atomic<bool> over{false};
  std::jthread other;
  before_rename = [&](const std::string&) {
    other = std::jthread([&] {
      DamageList theirs(path);
      theirs.note({2}, {{2, 0, 100}});
      theirs.note_snapshots({"snapshot"});
      over = true;
    });
    for (int i = 0; i < 300 && !over; ++i) std::this_thread::sleep_for(1ms);
    return true;
  };
  ours.note({1}, {{1, 0, 100}});
  other.join();
  ours.refresh();
  EXPECT_TRUE(ours.covers(1, 50));
  EXPECT_TRUE(ours.covers(2, 50));
  EXPECT_TRUE(ours.suffers("snapshot"));
}

// A file system gives the number of the first list to the third.
TEST_F(RaceTest, AListOfDamageUnderAnInodesOldNumberIsReadToo) {
  const std::string path = home() + "/damaged";
  DamageList ours(path), theirs(path + "-2");
  ours.note({1}, {{1, 0, 100}});
  theirs.note({2}, {{2, 0, 100}, {2, 200, 300}});
  std::ofstream(path, std::ios::trunc) << read_file(path + "-2");
  ours.refresh();
  EXPECT_FALSE(ours.covers(1, 50));
  EXPECT_TRUE(ours.covers(2, 50));
}

TEST_F(RaceTest, AJournalThatAHealPutInTheOldOnesPlaceIsReadFromItsBeginning) {
  const auto store = open();
  {
    const auto writer = store->writer("web1", "wiki", "rsync", "/srv");
    for (const std::uint64_t seed : {1U, 2U}) {
      (void)writer->put(ObjectKind::Data, noise(5000, seed));
      writer->sync();
    }
  }
  const std::string path = files_in(home() + "/store/journal").at(0), whole = read_file(path);
  std::string damaged = whole;
  damaged[2000] = static_cast<char>(damaged[2000] ^ 1);
  replace_durably(path, damaged);
  const std::uint64_t number = pack_number(base_name(path)).value();
  LiveJournals live(layout(), dynamic_cast<StoreImpl&>(*store).id());
  const auto nothing = [](std::uint64_t) -> std::uint64_t { return 0; };
  live.refresh(nothing);
  EXPECT_EQ(live.entries(number).size(), 1U);
  replace_durably(path, whole);
  live.refresh(nothing);
  EXPECT_EQ(live.entries(number).size(), 2U);
}

// The run that covered it whole was emptied away before the journal got its pack's name.
TEST_F(RaceTest, ACrowdedJournalThatNoRunCoversAnyMoreIsReadAgain) {
  constexpr int kTiny = 70000;
  const auto store = open();
  {
    const auto writer = store->writer("web1", "wiki", "rsync", "/srv");
    for (int i = 0; i < kTiny; ++i) (void)writer->put(ObjectKind::Data, "chunk " + std::to_string(i));
    writer->sync();
  }
  const std::uint64_t number = list_packs(home() + "/store/journal").at(0);
  LiveJournals live(layout(), dynamic_cast<StoreImpl&>(*store).id());
  int asked = 0;
  live.refresh([&](std::uint64_t) { return ++asked == 1 ? 0 : kWholePack; });
  EXPECT_EQ(live.entries(number).size(), 0U);
  const auto nothing = [](std::uint64_t) -> std::uint64_t { return 0; };
  EXPECT_TRUE(live.forget_lost(nothing));
  int looks = 0;
  live.refresh([&](std::uint64_t) -> std::uint64_t { return ++looks, 0; });
  EXPECT_EQ(live.entries(number).size(), static_cast<std::size_t>(kTiny));
}

TEST_F(RaceTest, WhatAHealMadeWholeIsReadByThoseWhoHadTheDamagedOneOpen) {
  const auto writing = open();
  (void)commit(*writing, "web1", {{"a", noise(50000, 1)}});
  seal_all(*writing);
  const ChunkId id = chunk_id(ObjectKind::Data, noise(50000, 1));
  const std::string path =
      home() + "/store/" +
      Layout::pack_object(writing->locate(ObjectKind::Data, std::vector{id}).front()->pack);
  const std::string whole = read_file(path);
  std::string damaged = whole;
  damaged[20000] = static_cast<char>(damaged[20000] ^ 1);
  replace_durably(path, damaged);
  const auto store = open();
  EXPECT_THROW((void)store->read(ObjectKind::Data, id), Error);
  replace_durably(path, whole);
  EXPECT_EQ(store->read(ObjectKind::Data, id), noise(50000, 1));
}

// Between the run that covers a pack and its name: the rebuild sees neither.
TEST_F(RaceTest, ARebuildWhileAJournalBecomesAPackKnowsThePack) {
  const auto builder = open();
  const Hooked hooked = open_hooked();
  (void)commit(*hooked.store, "web1", {{"a", noise(50000, 1)}});
  std::atomic<bool> over{false};
  std::jthread rebuild;
  hooked.storage->before_put = [&](const std::string& name) {
    if (!name.starts_with("packs/") || rebuild.joinable()) return;
    rebuild = std::jthread([&] {
      builder->rebuild_index({}, true);
      over = true;
    });
    for (int i = 0; i < 1000 && !over; ++i) std::this_thread::sleep_for(1ms);
  };
  seal_all(*hooked.store);
  ASSERT_TRUE(rebuild.joinable());
  rebuild.join();
  const auto reader = Store::open_to_read(home() + "/store");
  EXPECT_EQ(reader->read(ObjectKind::Data, chunk_id(ObjectKind::Data, noise(50000, 1))), noise(50000, 1));
}

// More than once: a process may live through several rebuilds.
TEST_F(RaceTest, WhoMissesAChunkDuringARebuildWaitsAndFindsIt) {
  const auto store = open();
  (void)commit(*store, "web1", {{"a", noise(50000, 1)}});
  seal_all(*store);
  for (int round = 0; round < 3; ++round) {
    const Hooked builder = open_hooked();
    std::atomic<bool> emptied{false}, go_on{false};
    at_next_pack(builder, [&] {
      emptied = true;
      while (!go_on) std::this_thread::sleep_for(1ms);
    });
    std::jthread rebuild([&] { builder.store->rebuild_index({}, true); });
    while (!emptied) std::this_thread::sleep_for(1ms);
    dynamic_cast<StoreImpl&>(*store).index().reload_runs();
    std::jthread later([&] {
      std::this_thread::sleep_for(100ms);
      go_on = true;
    });
    const std::vector<ChunkId> ids{chunk_id(ObjectKind::Data, noise(50000, 1))};
    EXPECT_TRUE(round < 2 || store->present(ObjectKind::Data, ids).front());
    EXPECT_EQ(store->read(ObjectKind::Data, ids.front()), noise(50000, 1));
  }
}

// Whoever merges needs not wait for who adds.
TEST_F(RaceTest, ARunThatIsMergedAwayBeforeItsWriterOpensItIsFoundInTheMergedOne) {
  ensure_directory(home() + "/runs");
  RunSet ours(home() + "/runs", {}, RunKind::Keys), theirs(home() + "/runs", {}, RunKind::Keys);
  const auto key = [](int i) { return key_of(static_cast<Wide>(i + 1) << 64U); };
  for (int i = 0; i < 7; ++i) ours.add_keys({key(i)});
  before_fsync = [&](const std::string& path) {
    if (path != home() + "/runs") return false;
    theirs.reload();
    theirs.merge();
    return true;
  };
  ours.add_keys({key(7)});
  EXPECT_FALSE(before_fsync);
  EXPECT_EQ(files_in(home() + "/runs").size(), 1U);
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(ours.contains(key(i))) << i;
}

TEST_F(RaceTest, TwoThatGiveUpTheReserveAtOnceBothGoOn) {
  const std::string reserve = home() + "/store/locks/reserve";
  ensure_directory(parent_of(reserve));
  replace_durably(reserve, "room");
  before_statvfs = [&](const std::string&) {
    remove_durably(reserve);
    return true;
  };
  EXPECT_NO_THROW(free_reserve_if_short(home() + "/store", UINT64_MAX));
  EXPECT_FALSE(path_exists(reserve));
}

// A copy that was taken while backups ran (docs/OPERATIONS.md): first the journal, later the pack that it
// became.
TEST_F(RaceTest, ACopyThatHasAJournalAndThePackThatItBecameIsAWholeStore) {
  const std::string copy = home() + "/copy/store";
  const auto copied = std::filesystem::copy_options::recursive | std::filesystem::copy_options::skip_existing;
  Files files;
  for (const char name : {'a', 'b', 'c', 'd'})
    files[std::string(1, name)] = noise(200000, static_cast<std::uint64_t>(name));
  SnapshotRecord done;
  for (const std::size_t torn : {0U, 100U}) {
    {
      const auto store = open();
      const auto writer = store->writer("web1", "wiki", "rsync", "/srv");
      (void)writer->put(ObjectKind::Data, files.at("a"));
      writer->sync();
      std::filesystem::create_directories(copy);
      std::filesystem::copy(home() + "/store/journal", copy + "/journal", copied);
      done = writer->commit(snapshot_of(*writer, files));
    }
    seal_all(*open());
    const std::string journal = files_in(copy + "/journal").at(0);
    std::filesystem::resize_file(journal, std::filesystem::file_size(journal) - torn);
    std::filesystem::copy(home() + "/store", copy, copied);
    {
      const auto reader = Store::open(copy);
      EXPECT_EQ(read_back(*reader, done), files);
      EXPECT_EQ(problems(*reader), std::vector<std::string>{});
    }
    const Files more{{"e", noise(300000, 99)}};
    const SnapshotRecord next = commit(*Store::open(copy), "web1", more);
    EXPECT_FALSE(path_exists(journal));
    EXPECT_EQ(clean(*Store::open(copy)).waits_for, 0U);
    const auto again = Store::open(copy);
    EXPECT_EQ(read_back(*again, done), files);
    EXPECT_EQ(read_back(*again, next), more);
    EXPECT_EQ(problems(*again), std::vector<std::string>{});
    again->rebuild_index({}, true);
    EXPECT_EQ(read_back(*again, done), files);
    remove_tree(home() + "/copy");
    remove_tree(home() + "/store");
    remove_tree(home() + "/index");
  }
}

}  // namespace
}  // namespace bk::store
