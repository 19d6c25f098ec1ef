#include "common/io/lock.h"
#include "common/io/temporary.h"
#include "server/store/store_impl.h"
#include "tests/support/sanitized.h"
#include "tests/unit/store/store_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <future>
#include <set>

namespace bk::store {
namespace {

using namespace test;  // NOLINT: builders

// Runs `body` in a child; the status as waitpid gives it.
int in_child(const std::function<void()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      body();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      ::_exit(1);
    }
    ::_exit(0);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

std::map<std::string, std::string> files_of(int round) {
  return {{"same", noise(20000, 1)}, {"changed", noise(20000, 100 + static_cast<std::uint64_t>(round))}};
}

// Every snapshot reads back whole, and the structure is sound.
void expect_whole(Store& store) {
  EXPECT_EQ(problems(store), std::vector<std::string>{});
  for (const SnapshotRecord& snapshot : store.snapshots()) {
    DirectoryReader reader(store, snapshot.root.node);
    while (const auto entry = reader.next()) EXPECT_EQ(content_of(store, *entry).size(), entry->size);
  }
}

TEST_F(StoreTest, AKillAtAnyDurableStepLeavesAWholeStore) {
  const std::string log = home() + "/steps";
  const auto round = [&](int number) {
    const auto store = open();
    const auto writer = store->writer("web1", "wiki", "rsync", "/srv");
    const SnapshotRecord part = snapshot_of(*writer, {{"same", noise(20000, 1)}});
    writer->save_checkpoint({part.client,
                             part.module,
                             part.method,
                             part.name,
                             {1783000200 + number, 0},
                             {},
                             part.root.node,
                             false});
    (void)commit(*store, "web1", files_of(number));
  };
  ASSERT_EQ(in_child([&] {
              (void)::setenv("BACKLINE_CRASH_LOG", log.c_str(), 1);
              round(0);
              round(1);
              open()->rebuild_index({});
              round(2);
            }),
            0);
  std::set<std::string> steps;
  const std::string passed = read_file(log);
  for (std::size_t at = 0; at < passed.size(); at = passed.find('\n', at) + 1)
    steps.insert(passed.substr(at, passed.find('\n', at) - at));
  EXPECT_GE(steps.size(), 8U);
  int number = 10;
  for (const std::string& step : steps) {
    remove_tree(home() + "/store");
    remove_tree(home() + "/index");
    if (step != "store.created") round(0);
    const std::size_t before = step == "store.created" ? 0 : 1;
    const int status = in_child([&] {
      (void)::setenv("BACKLINE_CRASH_AT", step.c_str(), 1);
      round(++number);
      open()->rebuild_index({});
      round(++number);
    });
    EXPECT_TRUE(WIFSIGNALED(status) || step == "store.journal-made") << step;
    auto store = open();
    expect_whole(*store);
    const std::size_t survived = store->snapshots().size();
    EXPECT_GE(survived, before) << step;
    EXPECT_EQ(commit(*store, "web1", files_of(99)).sequence, survived + 1) << step;
    expect_whole(*open());
  }
}

TEST_F(StoreTest, AKillWhileAPackIsFinishedOrRunsAreMergedLosesNothing) {
  const std::string bytes = noise(4800000, 77);
  for (const char* step :
       {"store.pack-sealed", "store.pack-renamed", "store.index-run", "store.index-merged"}) {
    remove_tree(home() + "/store");
    remove_tree(home() + "/index");
    const int status = in_child([&] {
      (void)::setenv("BACKLINE_CRASH_AT", step, 1);
      auto store = open();
      for (std::size_t i = 0; i < 10; ++i) {
        std::string fresh = bytes;  // other chunks each time
        fresh[0] = static_cast<char>(i);
        fresh[2400000] = static_cast<char>(i);
        (void)commit(*store, "web1", {{"a", fresh.substr(0, 2400000)}, {"b", fresh.substr(2400000)}});
      }
    });
    EXPECT_TRUE(WIFSIGNALED(status)) << step;
    auto store = open();
    expect_whole(*store);
    const std::uint64_t survived = store->snapshots().size();
    EXPECT_EQ(commit(*store, "web1", files_of(1)).sequence, survived + 1) << step;
    expect_whole(*store);
  }
}

TEST_F(StoreTest, WhatAKilledWriterStoredIsPossessedAndNotStoredAgain) {
  const std::string content = noise(1500000, 7);
  const int status = in_child([&] {
    auto store = open();
    auto writer = store->writer("web1", "wiki", "rsync", "/srv");
    GroupEncoder encoder;
    const ChunkRef chunk{chunk_id(ObjectKind::Data, content), ObjectKind::Data,
                         static_cast<std::uint32_t>(content.size())};
    writer->put_group(encoder.encode(content), {&chunk, 1});
    (void)::kill(::getpid(), SIGKILL);
  });
  ASSERT_TRUE(WIFSIGNALED(status));
  auto store = open();
  auto writer = store->writer("web1", "wiki", "rsync", "/srv");
  const ChunkId ids[] = {chunk_id(ObjectKind::Data, content)};
  EXPECT_TRUE(writer->possession().has(ids)[0]);
  EXPECT_EQ(store->read(ObjectKind::Data, ids[0]), content);
  (void)writer->put(ObjectKind::Data, content);
  EXPECT_EQ(writer->totals().new_chunks, 0U);
}

TEST_F(StoreTest, AnInterruptedCommitIsTakenUpByTheNextOpening) {
  (void)commit(*open(), "web1", files_of(0));
  ASSERT_TRUE(WIFSIGNALED(in_child([&] {
    (void)::setenv("BACKLINE_CRASH_AT", "store.snapshot-object", 1);
    (void)commit(*open(), "web1", files_of(1));
  })));
  const auto snapshots = open()->snapshots();
  ASSERT_EQ(snapshots.size(), 2U);
  EXPECT_EQ(snapshots[1].sequence, 2U);
}

// Two workers begin after a kill: one of them takes the commit up, and the other must not overlook it
// meanwhile.
TEST_F(StoreTest, WhoOpensWhileAnotherTakesUpAnInterruptedCommitWaitsForIt) {
  (void)commit(*open(), "web1", files_of(0));
  ASSERT_TRUE(WIFSIGNALED(in_child([&] {
    (void)::setenv("BACKLINE_CRASH_AT", "store.snapshot-object", 1);
    (void)commit(*open(), "web1", files_of(1));
  })));
  std::optional<FileLock> other = FileLock::exclusive(home() + "/store/snapshots/web1/lock");
  auto found =
      std::async(std::launch::async, [&] { return open()->newest("web1", "wiki", "rsync", "/srv"); });
  EXPECT_EQ(found.wait_for(std::chrono::milliseconds(200)), std::future_status::timeout);
  other.reset();
  const std::optional<SnapshotRecord> newest = found.get();
  ASSERT_TRUE(newest);
  EXPECT_EQ(newest->sequence, 2U);
}

TEST_F(StoreTest, AJournalThatAPowerCutLeftWithoutItsHeaderIsNoDamage) {
  (void)commit(*open(), "web1", files_of(0));
  for (const std::size_t size : {0U, 10U}) {
    const std::string name = "/journal/00000000000000" + std::to_string(10 + size) + ".pack";
    replace_durably(home() + "/store" + name, std::string(size, 'B'));
    expect_whole(*open());
  }
  (void)commit(*open(), "web1", files_of(1));
  expect_whole(*open());
}

TEST_F(StoreTest, WhatAKilledProcessLeftHalfWrittenGoesAndALivingOnesStays) {
  const SnapshotRecord done = commit(*open(), "web1", files_of(1));
  const std::string index = home() + "/index";
  const std::vector<std::string> leftovers{
      index + "/chunks/0123456789abcdef.run.tmp", index + "/possession/web1/fedcba9876543210.run.tmp",
      index + "/possession/web1/.tmp-0123456789abcdef", index + "/.tmp-0123456789abcdef",
      home() + "/store/.making/.tmp-0123456789abcdef"};
  for (const std::string& path : leftovers) write_all(open_file(path, O_WRONLY | O_CREAT).get(), "half");
  const std::string mine = index + "/chunks/1111111111111111.run.tmp";
  const std::optional<Fd> owner = try_create_owned(mine);
  auto store = open();
  EXPECT_TRUE(problems(*store).empty());
  EXPECT_EQ(commit(*store, "web1", files_of(2)).sequence, done.sequence + 1);
  for (const std::string& path : leftovers) EXPECT_FALSE(path_exists(path)) << path;
  EXPECT_TRUE(path_exists(mine));
  expect_whole(*store);
}

TEST_F(StoreTest, TwoProcessesWriteAtOnceAndALaterOneSharesTheirPacks) {
  (void)open();
  std::vector<pid_t> children;
  for (int p = 0; p < 2; ++p) {
    const pid_t child = ::fork();
    if (child == 0) {
      try {
        auto store = open();
        auto writer = store->writer("web" + std::to_string(p), "wiki", "rsync", "/srv");
        for (int i = 0; i < 40; ++i) {
          std::map<std::string, std::string> files;
          for (int f = 0; f < 20; ++f)
            files["f" + std::to_string(f)] =
                noise(5000, static_cast<std::uint64_t>(1000 + p * 7 + i * 31 + f));
          (void)writer->commit(snapshot_of(*writer, files, "web" + std::to_string(p)));
        }
      } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        ::_exit(1);
      }
      ::_exit(0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  auto store = open();
  expect_whole(*store);
  EXPECT_EQ(store->snapshots().size(), 80U);
  const std::size_t journals = files_in(home() + "/store/journal").size();
  EXPECT_LE(journals, 2U);
  (void)commit(*store, "web3", files_of(1));
  EXPECT_EQ(files_in(home() + "/store/journal").size(), journals);
}

TEST_F(StoreTest, ManyTinyChunksDoNotFillMemory) {
  auto store = open();
  auto writer = store->writer("web1", "wiki", "rsync", "/srv");
  rusage before{};
  (void)::getrusage(RUSAGE_SELF, &before);
  for (int i = 0; i < 600000; ++i) (void)writer->put(ObjectKind::Data, "tiny chunk " + std::to_string(i));
  writer->sync();
  rusage after{};
  (void)::getrusage(RUSAGE_SELF, &after);
  if (!bk::test::kSanitized) {
    EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 80L * 1024);  // KiB
  }
  EXPECT_FALSE(files_in(home() + "/index/chunks").empty());
  const ChunkId first = chunk_id(ObjectKind::Data, "tiny chunk 0");
  EXPECT_EQ(open()->read(ObjectKind::Data, first), "tiny chunk 0");
  EXPECT_EQ(writer->possession().has({&first, 1}), std::vector<bool>{true});
}

TEST_F(StoreTest, WhatAnotherProcessStoresMeanwhileIsFoundThoughItsJournalIsNotKeptInMemory) {
  auto ours = open(), theirs = open();
  auto writer = theirs->writer("web2", "wiki", "rsync", "/srv");
  std::vector<std::string> some;
  for (int i = 0; i < 400000; ++i) {
    const std::string content = "their chunk " + std::to_string(i);
    (void)writer->put(ObjectKind::Data, content);
    if (i % 40000 != 39999) continue;
    some.push_back(content);
    writer->sync();
    // A look at what came: a new writer refreshes.
    auto looking = ours->writer("web1", "wiki", "rsync", "/srv");
    for (const std::string& one : some)
      EXPECT_TRUE(looking->contains(chunk_id(ObjectKind::Data, one))) << one;
  }
  const auto& live = dynamic_cast<StoreImpl&>(*ours).index().live();
  for (const std::string& name : files_in(home() + "/store/journal")) {
    const std::uint64_t number = std::stoull(base_name(name), nullptr, 16);
    EXPECT_LT(live.uncovered(number).chunks, 3 * LiveJournals::kCrowded) << name;
  }
  expect_whole(*ours);
}

TEST_F(StoreTest, AFullJournalBecomesASealedPack) {
  auto store = open();
  auto writer = store->writer("web1", "wiki", "rsync", "/srv");
  std::vector<ChunkId> ids;
  for (int i = 0; i < 180; ++i)
    ids.push_back(writer->put(ObjectKind::Data, noise(200000, 50 + static_cast<std::uint64_t>(i))));
  writer->sync();
  EXPECT_EQ(files_in(home() + "/store/packs").size(), 2U);  // the pack and its parity
  writer.reset();
  remove_tree(home() + "/index");
  store = open();
  EXPECT_EQ(problems(*store), std::vector<std::string>{});
  std::size_t seen = 0;
  store->read_many(ObjectKind::Data, ids, [&](std::size_t i, std::string_view content) {
    seen += content == noise(200000, 50 + i) ? 1 : 0;
  });
  EXPECT_EQ(seen, ids.size());
  const std::string pack = files_in(home() + "/store/packs").at(0);
  ASSERT_EQ(::truncate(pack.c_str(), static_cast<off_t>(read_file(pack).size() - 132)), 0);
  EXPECT_FALSE(problems(*store).empty());
}

}  // namespace
}  // namespace bk::store
