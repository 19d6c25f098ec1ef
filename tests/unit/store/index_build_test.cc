// Rebuilding the index: interrupted, beside writers, and beside cleans.
#include "server/store/store_impl.h"
#include "tests/unit/store/store_fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

namespace bk::store {
namespace {

using namespace test;  // NOLINT: builders

class IndexBuildTest : public StoreTest {
 protected:
  // A pack of very many tiny chunks.
  void fill() {
    const auto store = open();
    const auto writer = store->writer("web1", "wiki", "rsync", "/srv");
    for (int i = 0; i < kTiny; ++i) (void)writer->put(ObjectKind::Data, tiny(i));
    (void)writer->commit(snapshot_of(*writer, {{"a", "content"}}));
  }
  static std::string tiny(int i) { return "chunk " + std::to_string(i); }
  void build_until(const std::string& step) {
    const pid_t child = ::fork();
    if (child == 0) {
      (void)::setenv("BACKLINE_CRASH_AT", step.c_str(), 1);
      open()->rebuild_index({});
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << step;
  }
  [[nodiscard]] std::vector<std::string> runs() const { return files_in(home() + "/index/chunks"); }
  void expect_all_found() {
    const auto store = open();
    for (int i = 0; i < kTiny; i += 997)
      EXPECT_EQ(store->read(ObjectKind::Data, chunk_id(ObjectKind::Data, tiny(i))), tiny(i));
    EXPECT_EQ(problems(*store), std::vector<std::string>{});
  }
  static constexpr int kTiny = 300000;
};

TEST_F(IndexBuildTest, AnInterruptedRebuildGoesOnWhereItWas) {
  fill();
  seal_all(*open());
  build_until("store.rebuild-portion");
  const std::vector<std::string> finished = runs();
  ASSERT_EQ(finished.size(), 1U);
  EXPECT_FALSE(path_exists(home() + "/index/header"));
  std::uint64_t calls = 0;
  StoreSettings settings;
  settings.index_later = true;
  Store::open(home() + "/store", false, {}, settings)
      ->rebuild_index([&](std::uint64_t done, std::uint64_t all) {
        ++calls;
        EXPECT_EQ(done, all);
      });
  std::vector<std::string> now = runs();
  EXPECT_GT(now.size(), 1U);
  EXPECT_NE(std::find(now.begin(), now.end(), finished.front()), now.end());
  expect_all_found();
  // Anything else begins anew: after a finished one, when told so, and when what is there is damaged.
  open()->rebuild_index({});
  EXPECT_FALSE(path_exists(finished.front()));
  for (const bool damage : {false, true}) {
    build_until("store.rebuild-portion");
    const std::string first = runs().front();
    if (damage) {
      std::string bytes = read_file(first);
      bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
      replace_durably(first, bytes);
    }
    Store::open(home() + "/store", false, {}, settings)->rebuild_index({}, !damage);
    EXPECT_FALSE(path_exists(first));
  }
  expect_all_found();
}

TEST_F(IndexBuildTest, AWriterAtWorkLosesNothingOfItsJournalToARebuild) {
  std::vector<ChunkId> ids;
  const auto put = [&](Writer& writer, std::uint64_t from, std::uint64_t count) {
    for (std::uint64_t i = from; i < from + count; ++i)
      ids.push_back(writer.put(ObjectKind::Data, noise(200000, i + 1)));
    writer.sync();
  };
  {
    const auto store = open(), other = open();
    const auto writer = store->writer("web1", "wiki", "rsync", "/srv");
    put(*writer, 0, 40);
    ASSERT_FALSE(runs().empty()) << "part of the journal is in a run";
    const auto reader = open();
    other->rebuild_index({});
    EXPECT_TRUE(runs().empty());
    for (const ChunkId& id : ids) EXPECT_EQ(reader->read(ObjectKind::Data, id).size(), 200000U);
    put(*writer, 40, 140);  // becomes a pack
    ASSERT_FALSE(files_in(home() + "/store/packs").empty());
  }
  const auto store = open();
  const auto& index = dynamic_cast<StoreImpl&>(*store).index();
  for (const ChunkId& id : ids) EXPECT_TRUE(index.contains(id));
}

TEST_F(IndexBuildTest, WhatClientsPossessIsMadeAnewToo) {
  const std::string content = noise(50000, 3);
  (void)commit(*open(), "web1", {{"a", content}});
  remove_tree(home() + "/index");
  open()->rebuild_index({});
  EXPECT_TRUE(path_exists(home() + "/index/possession/web1/header"));
  EXPECT_FALSE(path_exists(home() + "/index/building"));
  const std::vector<ChunkId> ids{chunk_id(ObjectKind::Data, content)};
  EXPECT_TRUE(open()->writer("web1", "wiki", "rsync", "/srv")->possession().has(ids).front());
}

TEST_F(IndexBuildTest, ARebuildThatWasKilledWhenAllPacksWereReadIsNotGoneOnWith) {
  (void)commit(*open(), "web1", {{"a", noise(50000, 3)}});
  const std::string building = home() + "/index/building";
  dynamic_cast<StoreImpl&>(*open()).index().rebuild({});
  ASSERT_TRUE(path_exists(building));
  (void)open();
  EXPECT_FALSE(path_exists(building));
}

TEST_F(IndexBuildTest, ARebuildAndACleanAtOnceBothEnd) {
  for (int i = 0; i < 4; ++i)
    (void)commit(*open(), "web1", {{"a", noise(50000, 3U + static_cast<unsigned>(i))}});
  std::vector<pid_t> children;
  for (const bool builds : {true, false, true, false}) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(60);
      for (int i = 0; i < 10; ++i) {
        try {
          const auto store = open();
          if (builds)
            store->rebuild_index({});
          else
            (void)store->clean({});
        } catch (const Error& error) {
          if (error.kind() != Kind::Transient) ::_exit(1);
        }
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
  EXPECT_EQ(problems(*open()), std::vector<std::string>{});
}

}  // namespace
}  // namespace bk::store
