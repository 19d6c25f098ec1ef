// A clean that is killed at any step, and cleans beside everything else.
#include "server/store/store_impl.h"
#include "tests/support/sanitized.h"
#include "tests/unit/store/store_fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <random>
#include <set>

namespace bk::store {
namespace {

using namespace test;  // NOLINT: builders

using Files = std::map<std::string, std::string>;

pid_t start(const std::function<void()>& body) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  try {
    body();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    ::_exit(1);
  }
  ::_exit(0);
}

int end_of(pid_t child) {
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

std::uint64_t unneeded(Store& store) {
  CleanOptions options;
  options.pretend = true;
  return store.clean(options).unneeded;
}

CleanTotals clean(Store& store) {
  CleanOptions options;
  options.rewrite_percent = 0;
  return store.clean(options);
}

void remove(Store& store, const std::string& client, const std::string& id) {
  const std::vector<std::string> ids{id};
  store.mark_snapshots(client, {MarkKind::Removal, {1783000200, 0}, "root", ""}, ids);
}

// The content of file N of round R; every third file never changes.
Files files_of(int round) {
  Files out;
  for (int i = 0; i < 9; ++i)
    out["f" + std::to_string(i)] =
        noise(20000, static_cast<std::uint64_t>(i % 3 == 0 ? 1 + i : 100 + 10 * round + i));
  return out;
}

// Every file of every snapshot, each compared with its length, and by its chunks' identities.
void expect_whole(Store& store) {
  for (const SnapshotRecord& snapshot : store.snapshots()) {
    DirectoryReader reader(store, snapshot.root.node);
    while (const auto entry = reader.next()) EXPECT_EQ(content_of(store, *entry).size(), entry->size);
  }
}

TEST_F(StoreTest, ACleanThatIsKilledAtAnyStepLosesNothingAndTheNextGoesOn) {
  const auto fill = [&](int round) {
    const auto store = open();
    for (int i = 0; i < 4; ++i) (void)commit(*store, "web1", files_of(round * 4 + i));
    const auto all = store->snapshots();
    remove(*store, "web1", all.at(all.size() - 2).id);
    remove(*store, "web1", all.front().id);
  };
  const std::string log = home() + "/steps";
  fill(0);
  ASSERT_EQ(end_of(start([&] {
              (void)::setenv("BACKLINE_CRASH_LOG", log.c_str(), 1);
              (void)clean(*open());
            })),
            0);
  std::map<std::string, int> passes;
  const std::string passed = read_file(log);
  for (std::size_t at = 0; at < passed.size(); at = passed.find('\n', at) + 1)
    ++passes[passed.substr(at, passed.find('\n', at) - at)];
  EXPECT_GE(passes.size(), 10U);
  int round = 1;
  for (const auto& pass_of : passes) {
    const std::string& step = pass_of.first;
    const auto count = pass_of.second;
    for (const int pass : std::set<int>{1, count}) {
      fill(round++);
      const int status = end_of(start([&] {
        (void)::setenv("BACKLINE_CRASH_AT", (step + ":" + std::to_string(pass)).c_str(), 1);
        (void)clean(*open());
      }));
      EXPECT_TRUE(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)) << step;
      auto store = open();
      expect_whole(*store);
      (void)commit(*store, "web1", files_of(round));  // whatever is condemned now
      expect_whole(*store);
      EXPECT_EQ(clean(*store).waits_for, 0U) << step;
      store = open();
      EXPECT_EQ(unneeded(*store), 0U) << step;
      expect_whole(*store);
      std::vector<std::string> found;
      store->check_structure([&](const std::string& problem) { found.push_back(problem); });
      EXPECT_EQ(found, std::vector<std::string>{}) << step;
    }
  }
}

// Processes that back up, remove, clean and read at once.
TEST_F(StoreTest, BackupsRemovalsCleansAndReadersAtOnceLoseNothing) {
  (void)open();
  const int rounds = bk::test::kSanitized ? 6 : 25;
  const auto backups = [&](int client) {
    std::mt19937 random(static_cast<unsigned>(client));
    for (int i = 0; i < rounds; ++i) {
      const auto store = open();
      const std::string name = "web" + std::to_string(client % 2);
      const Files files = files_of(static_cast<int>(random() % 4));
      const SnapshotRecord done = commit(*store, name, files);
      DirectoryReader reader(*store, done.root.node);
      while (const auto entry = reader.next()) {
        if (content_of(*store, *entry) != files.at(entry->name)) throw Error(Kind::Corrupt, "other content");
      }
      if (i % 2 == 0) {
        try {
          remove(*store, name, store->snapshots(name).front().id);
        } catch (const Error& error) {
          if (error.kind() != Kind::NotFound) throw;  // the other one was faster
        }
      }
    }
  };
  const auto cleans = [&] {
    for (int i = 0; i < rounds * 2; ++i) {
      try {
        (void)clean(*open());
      } catch (const Error& error) {
        if (error.kind() != Kind::Transient) throw;
      }
    }
  };
  const auto reads = [&] {
    for (int i = 0; i < rounds * 2; ++i) {
      const auto store = open();
      for (const std::string client : {"web0", "web1"}) {
        const auto newest = store->newest(client, "wiki", "rsync", "/srv");
        if (!newest) continue;
        try {
          DirectoryReader reader(*store, newest->root.node);
          while (const auto entry = reader.next()) (void)content_of(*store, *entry);
        } catch (const Error&) {
          const auto now = store->snapshots(client);  // it may have been removed meanwhile
          for (const SnapshotRecord& record : now)
            if (record.id == newest->id) throw;
        }
      }
    }
  };
  const std::vector<pid_t> children{start([&] { backups(0); }),
                                    start([&] { backups(1); }),
                                    start([&] { backups(2); }),
                                    start(cleans),
                                    start(cleans),
                                    start(reads)};
  for (const pid_t child : children) EXPECT_EQ(end_of(child), 0);
  const auto store = open();
  expect_whole(*store);
  EXPECT_EQ(clean(*store).waits_for, 0U);
  EXPECT_EQ(unneeded(*store), 0U);
  expect_whole(*store);
}

}  // namespace
}  // namespace bk::store
