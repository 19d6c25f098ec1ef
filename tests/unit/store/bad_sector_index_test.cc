// The index on a disk that does not give back what is there: all of it can be made anew.
#include "server/store/checkpoint_folder.h"
#include "tests/unit/store/bad_sector_fixture.h"

#include <cerrno>

namespace bk::store {
namespace {

using namespace test;  // NOLINT: builders

using IndexBadSectorTest = BadSectorTest;

TEST_F(IndexBadSectorTest, AnIndexIsMadeOfWhatCanBeReadAndLearnsTheRestLater) {
  seal_all(*open());
  damage(packs().at(0));
  remove_tree(home() + "/index");
  {
    const auto store = open();
    expect_the_middle_is_lost(*store);
    (void)commit(*store, "web2", {{"d", "x"}});
  }
  remove_tree(home() + "/index");
  bad_disk.closed[packs().at(0)] = EIO;
  {
    const auto store = open();
    EXPECT_EQ(read_of(*store, "x"), Read::Good);
    EXPECT_EQ(read_of(*store, first_), Read::Io);
  }
  bad_disk.good();
  const auto store = open();
  for (const std::string& content : {first_, middle_, last_}) EXPECT_EQ(read_of(*store, content), Read::Good);
}

// Who looks up only what stands elsewhere never meets it.
TEST_F(IndexBadSectorTest, ARunWithOneEndsWhoLooksThereAndTheNextMakesItAnew) {
  seal_all(*open());
  for (const std::string folder : {"/index/chunks", "/index/possession/web1"}) {
    SCOPED_TRACE(folder);
    std::vector<std::string> runs = files_in(home() + folder);
    std::erase_if(runs, [](const std::string& path) { return !path.ends_with(".run"); });
    ASSERT_FALSE(runs.empty());
    bad_disk.good();
    for (const std::string& run : runs) bad_disk.damage(run, 64, UINT64_MAX);
    if (folder == "/index/chunks") {
      EXPECT_EQ(read_of(*Store::open_to_read(home() + "/store"), first_), Read::Io);
      EXPECT_TRUE(path_exists(home() + "/index/header"));  // others may find what they need
    }
    std::string said;
    try {
      (void)commit(*open(), "web1", {{"a", first_}});
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::Io);
      said = error.what();
    }
    EXPECT_TRUE(std::ranges::any_of(runs, [&](const std::string& run) {
      return said.find(run + "\", which the ") != std::string::npos;
    })) << said;
    EXPECT_NE(said.find(" makes anew: Input/output error"), std::string::npos) << said;
    (void)commit(*open(), "web1", {{"a", first_}, {"new", folder}});
    EXPECT_TRUE(std::ranges::none_of(runs, [](const std::string& run) { return path_exists(run); }));
    EXPECT_EQ(read_of(*open(), first_), Read::Good);
  }
  EXPECT_EQ(problems(*open()), std::vector<std::string>{});
}

TEST_F(IndexBadSectorTest, ARunWithOneIsMadeAnewWhenToOpenTheStoreItHasToBeRead) {
  seal_all(*open());
  (void)commit(*open(), "web2", {{"d", "in a journal: how much of it do runs know?"}});
  const std::string run = files_in(home() + "/index/chunks").at(0);
  bad_disk.damage(run, 64, UINT64_MAX);
  EXPECT_EQ(read_of(*open(), first_), Read::Good);
  EXPECT_FALSE(path_exists(run));
  EXPECT_EQ(problems(*open()), std::vector<std::string>{});
}

// Everything below index/ is made anew, or counts as empty.
TEST_F(IndexBadSectorTest, NoFileOfTheIndexIsNeededToBeReadable) {
  seal_all(*open());
  {
    const auto store = open();
    dynamic_cast<StoreImpl&>(*store).index().damage().note({1}, {{1, 0, 10}});
    store->note_suffering({std::string(64, 'a')});
    (void)store->check_packs({}, [](const PackProblem&) {}, {});
    auto writer = store->writer("web1", "wiki", "rsync", "/srv");
    CheckpointRecord record;
    record.client = "web1";
    record.module = "wiki";
    record.method = "rsync";
    record.name = "/srv";
    record.began = {1783000200, 0};
    const SnapshotRecord tree = snapshot_of(*writer, {{"half", "done"}});
    record.node = tree.root.node;
    writer->save_checkpoint(record);
  }
  std::vector<std::string> files = files_in(home() + "/index");
  for (const std::string& path : files_in(home() + "/store/snapshots"))
    if (path.ends_with(".checkpoint")) files.push_back(path);
  EXPECT_GE(files.size(), 5U);
  int n = 0;
  for (const std::string& path : files) {
    if (path.ends_with("lock")) continue;
    for (const bool closed : {true, false}) {
      bad_disk.good();
      if (!path_exists(path)) continue;
      if (closed)
        bad_disk.closed[path] = EIO;
      else
        bad_disk.damage(path, 0, 64);
      SCOPED_TRACE(path + (closed ? " cannot be opened" : " cannot be read"));
      try {
        const auto store = open();
        EXPECT_EQ(read_of(*store, first_), Read::Good);
        (void)store->checkpoint("web1", "wiki", "rsync", "/srv");
        (void)commit(*store, "web1", {{"a", std::to_string(++n)}});
      } catch (const Error& error) {
        ADD_FAILURE() << error.what();
      }
    }
  }
  bad_disk.good();
  EXPECT_EQ(problems(*open()), std::vector<std::string>{});
}

}  // namespace
}  // namespace bk::store
