// Who reads while others take packs and the index away.
#include "common/storage/folder_storage.h"
#include "tests/unit/store/hooked_calls.h"
#include "tests/unit/store/hooked_storage.h"
#include "tests/unit/store/store_fixture.h"

#include <fcntl.h>

#include <utility>

namespace bk::store {
namespace {

using namespace test;  // NOLINT: builders

class ReaderTest : public StoreTest {
 protected:
  [[nodiscard]] std::shared_ptr<HookedStorage> hooked() {
    return std::make_shared<HookedStorage>(std::make_shared<FolderStorage>(home() + "/store"));
  }
};

// A folder gives back what is open and removed; an object store does not.
TEST_F(ReaderTest, APackThatAnObjectStoreHasNoMoreIsLookedForAgain) {
  const auto store = open();
  std::map<std::string, std::string> files;
  for (unsigned i = 0; i < 4; ++i) files[std::to_string(i)] = noise(1U << 20U, 10 + i);
  const std::string first = commit(*store, "web1", files).id;
  files.erase("0");
  (void)commit(*store, "web1", files);
  seal_all(*store);
  const auto storage = hooked();
  storage->forgets_removed = true;
  const auto reader = Store::open_on(storage, home() + "/store");
  EXPECT_EQ(reader->read(ObjectKind::Data, chunk_id(ObjectKind::Data, files["1"])), files["1"]);
  store->mark_snapshots("web1", {MarkKind::Removal, {1783000200, 0}, "root", ""}, {&first, 1});
  CleanOptions options;
  options.rewrite_percent = 1;
  EXPECT_GT(store->clean(options).packs_rewritten, 0U);
  for (const auto& [name, content] : files)
    EXPECT_EQ(reader->read(ObjectKind::Data, chunk_id(ObjectKind::Data, content)), content);
}

TEST_F(ReaderTest, APackThatGoesFromAnObjectStoreWhileItIsReadIsNoDamage) {
  for (const bool checked : {true, false}) {
    const auto store = open();
    std::map<std::string, std::string> files;
    for (unsigned i = 0; i < 4; ++i) files[std::to_string(i)] = noise(1U << 20U, 10 + i + (checked ? 0 : 4));
    const std::string first = commit(*store, "web1", files).id;
    files.erase("0");
    (void)commit(*store, "web1", files);
    seal_all(*store);
    store->mark_snapshots("web1", {MarkKind::Removal, {1783000200, 0}, "root", ""}, {&first, 1});
    const auto storage = hooked();
    storage->forgets_removed = true;
    const auto reader = Store::open_on(storage, home() + "/store");
    std::uint64_t rewritten = 0;
    storage->on_read = [&](const std::string& name) {
      if (!name.starts_with("packs/")) return;
      const auto keep = std::exchange(storage->on_read, nullptr);
      CleanOptions options;
      options.rewrite_percent = 1;
      rewritten = store->clean(options).packs_rewritten;
    };
    if (checked) {
      EXPECT_EQ(problems(*reader), std::vector<std::string>{});
      EXPECT_GT(rewritten, 0U);
      continue;
    }
    for (const auto& [name, content] : files)
      EXPECT_EQ(reader->read(ObjectKind::Data, chunk_id(ObjectKind::Data, content)), content);
    EXPECT_GT(rewritten, 0U);
  }
}

// What a rebuild has taken away for a while is no damage to who may not take its lock.
TEST_F(ReaderTest, WhoMayOnlyReadIsToldThatTheIndexIsBeingMade) {
  const std::string content = noise(50000, 1);
  (void)commit(*open(), "web1", {{"a", content}});
  seal_all(*open());
  const auto reader = Store::open_to_read(home() + "/store");
  const auto kind_of = [&](const std::function<void()>& look) {
    try {
      look();
    } catch (const Error& error) {
      return error.kind();
    }
    return Kind::Usage;
  };
  const auto storage = hooked();
  const auto builder = Store::open_on(storage, home() + "/store");
  int asked = 0;
  storage->on_read = [&](const std::string& name) {
    if (!name.starts_with("packs/") || asked++ > 0) return;
    const ChunkId missing = chunk_id(ObjectKind::Data, "nowhere");
    EXPECT_EQ(kind_of([&] { (void)reader->read(ObjectKind::Data, missing); }), Kind::Transient);
    EXPECT_EQ(kind_of([&] { (void)Store::open_to_read(home() + "/store"); }), Kind::Transient);
  };
  builder->rebuild_index({}, true);
  EXPECT_GT(asked, 0);
  EXPECT_EQ(reader->read(ObjectKind::Data, chunk_id(ObjectKind::Data, content)), content);
  EXPECT_EQ(kind_of([&] { (void)reader->read(ObjectKind::Data, chunk_id(ObjectKind::Data, "nowhere")); }),
            Kind::Corrupt);
}

// A disk that failed is mounted to be read; or it is a copy on another machine.
TEST_F(ReaderTest, AStoreThatMayOnlyBeReadIsListedReadAndVerified) {
  const std::string content = noise(50000, 1), journal = noise(60000, 2);
  const SnapshotRecord first = commit(*open(), "web1", {{"a", content}});
  seal_all(*open());
  (void)commit(*open(), "web1", {{"a", journal}});
  const Fd lines = open_file(home() + "/store/snapshots/web1/journal", O_RDWR);
  resize_file(lines.get(), open_reader(home() + "/store/snapshots/web1/journal")->size() - 10);  // torn
  bad_disk.read_only = home() + "/";
  {
    const auto store = open();
    ASSERT_EQ(store->snapshots().size(), 1U);
    EXPECT_EQ(store->snapshots()[0].id, first.id);
    for (const std::string& one : {content, journal})
      EXPECT_EQ(store->read(ObjectKind::Data, chunk_id(ObjectKind::Data, one)), one);
    try {
      (void)store->read(ObjectKind::Data, chunk_id(ObjectKind::Data, "nowhere"));
      ADD_FAILURE();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::Corrupt) << error.what();
    }
    EXPECT_EQ(problems(*store), std::vector<std::string>{});
    store->note_suffering({first.id});
    EXPECT_THROW((void)store->writer("web1", "wiki", "rsync", "/srv"), Error);
  }
  bad_disk.good();
  EXPECT_EQ(open()->snapshots().size(), 2U);
}

}  // namespace
}  // namespace bk::store
