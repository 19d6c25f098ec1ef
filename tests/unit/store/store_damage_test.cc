#include "server/store/layout.h"
#include "server/store/scan.h"
#include "server/store/store_impl.h"
#include "tests/unit/store/store_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <set>

namespace bk::store {
namespace {

using namespace test;  // NOLINT: builders

void overwrite(const std::string& path, const std::string& bytes) {
  const Fd fd = open_file(path, O_WRONLY | O_TRUNC);
  write_all(fd.get(), bytes);
}

// Structure, then every byte of every snapshot; the first complaint, or nothing.
std::string complaint(const std::string& home) {
  try {
    const auto store = Store::open(home + "/store");
    if (const std::vector<std::string> found = problems(*store); !found.empty()) return found.front();
    for (const SnapshotRecord& snapshot : store->snapshots()) {
      DirectoryReader reader(*store, snapshot.root.node);
      while (const auto entry = reader.next()) (void)content_of(*store, *entry);
    }
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

constexpr std::size_t kMarkBytes = 64 + 16;
// The first byte of the first payload: pack header, fixed head, a table of one length (two bytes), digest.
constexpr std::size_t kJournalPayload = 64 + 64 + 2 + 16;

std::map<std::string, std::string> some_files() {
  return {{"a", noise(300, 1)}, {"b", std::string(2000, 'x')}, {"c", noise(100, 3)}};
}

TEST_F(StoreTest, AFlippedBitAnywhereInAStoreIsNoticed) {
  (void)commit(*open(), "web1", some_files());
  (void)commit(*open(), "web1", {{"d", noise(200, 4)}});
  ASSERT_EQ(complaint(home()), "");
  for (const std::string& path : files_in(home() + "/store")) {
    if (path.find("/locks/") != std::string::npos) continue;
    const std::string whole = read_file(path);
    for (std::size_t i = 0; i < whole.size(); ++i) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << (i % 8)));
      overwrite(path, damaged);
      remove_tree(home() + "/index");
      // The last record of a journal is a mark: it carries nothing and looks torn when it is damaged.
      const bool last_mark = path.find("/journal/") != std::string::npos && i >= whole.size() - kMarkBytes;
      EXPECT_EQ(complaint(home()).empty(), last_mark) << path << " byte " << i;
      overwrite(path, whole);
    }
  }
  remove_tree(home() + "/index");
  EXPECT_EQ(complaint(home()), "");
}

TEST_F(StoreTest, AMissingFileIsNoticed) {
  (void)commit(*open(), "web1", some_files());
  for (const std::string& path : files_in(home() + "/store")) {
    if (path.ends_with("/lock") || path.find("/locks/") != std::string::npos) continue;
    const std::string whole = read_file(path);
    remove_durably(path);
    remove_tree(home() + "/index");
    // A deleted snapshot journal is made anew from the objects' own chain.
    EXPECT_EQ(complaint(home()).empty(), path.ends_with("/journal")) << path;
    const Fd fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC);
    write_all(fd.get(), whole);
  }
}

TEST_F(StoreTest, WhatAKilledWriterLeftBesideTheSnapshotsIsNoDamage) {
  (void)commit(*open(), "web1", some_files());
  replace_durably(home() + "/store/snapshots/web1/.tmp-0123456789abcdef", "half a record");
  EXPECT_EQ(complaint(home()), "");
}

TEST_F(StoreTest, ATornJournalIsSalvagedAtEveryLength) {
  std::string first_id;
  {
    auto store = open();
    first_id = commit(*store, "web1", {{"a", "alpha"}}).id;
  }
  const std::string path = files_in(home() + "/store/journal").at(0);
  const std::string before = read_file(path);
  {
    auto store = open();
    auto writer = store->writer("web1", "wiki", "rsync", "/srv");
    (void)writer->put(ObjectKind::Data, noise(60, 9));
  }
  const std::string after = read_file(path);
  ASSERT_GT(after.size(), before.size());
  for (std::size_t size = before.size(); size <= after.size(); ++size) {
    overwrite(path, after.substr(0, size));
    auto store = open();
    EXPECT_EQ(problems(*store), std::vector<std::string>{}) << size;
    auto writer = store->writer("web1", "wiki", "rsync", "/other");
    const ChunkId id = writer->put(ObjectKind::Data, "more " + std::to_string(size));
    writer->sync();
    EXPECT_EQ(problems(*store), std::vector<std::string>{}) << size;
    EXPECT_EQ(open()->read(ObjectKind::Data, id), "more " + std::to_string(size));
    EXPECT_EQ(open()->snapshots().at(0).id, first_id);
    ASSERT_EQ(files_in(home() + "/store/journal"), std::vector<std::string>{path});
  }
}

TEST_F(StoreTest, ADamagedJournalIsRetiredAndNothingBehindTheDamageIsCutOff) {
  auto store = open();
  auto writer = store->writer("web1", "wiki", "rsync", "/srv");
  const ChunkId first = writer->put(ObjectKind::Data, noise(500, 1));
  writer->sync();
  const ChunkId second = writer->put(ObjectKind::Data, noise(500, 2));
  writer->sync();
  writer.reset();
  store.reset();
  const std::string path = files_in(home() + "/store/journal").at(0);
  std::string bytes = read_file(path);
  bytes[kJournalPayload] = static_cast<char>(bytes[kJournalPayload] ^ 1);
  overwrite(path, bytes);
  remove_tree(home() + "/index");
  store = open();
  writer = store->writer("web1", "wiki", "rsync", "/srv");
  (void)writer->put(ObjectKind::Data, "new");
  writer->sync();
  EXPECT_EQ(store->read(ObjectKind::Data, second), noise(500, 2));
  EXPECT_THROW((void)store->read(ObjectKind::Data, first), Error);
  EXPECT_EQ(read_file(files_in(home() + "/store/packs").at(0)), bytes);
  EXPECT_FALSE(problems(*store).empty());
}

// A journal of which a reader sees the first `shown` bytes.
class GrowingReader final : public ObjectReader {
 public:
  explicit GrowingReader(std::string bytes) : bytes_(std::move(bytes)) {}
  std::uint64_t size() override { return shown; }
  std::size_t read(std::uint64_t offset, char* into, std::size_t bytes) override {
    return offset >= shown ? 0 : bytes_.copy(into, std::min<std::uint64_t>(bytes, shown - offset), offset);
  }
  std::uint64_t shown = 0;

 private:
  std::string bytes_;
};

TEST_F(StoreTest, ARecordThatIsBeingWrittenWhileAJournalIsReadIsNotPassedOver) {
  auto store = open();
  auto writer = store->writer("web1", "wiki", "rsync", "/srv");
  for (const std::uint64_t seed : {1U, 2U}) {
    (void)writer->put(ObjectKind::Data, noise(500, seed));
    writer->sync();
  }
  const std::string path = files_in(home() + "/store/journal").at(0), bytes = read_file(path);
  const PackRef ref{dynamic_cast<StoreImpl&>(*store).id(), pack_number(base_name(path)).value()};
  for (std::uint64_t shown = kPackHeaderBytes + 1; shown < kJournalPayload + 500; ++shown) {
    GrowingReader journal(bytes);
    journal.shown = shown;
    PackScan scan(journal, ref);
    ASSERT_FALSE(scan.next(true));
    ASSERT_FALSE(scan.reason().empty());
    journal.shown = bytes.size();  // the writer went on
    ASSERT_TRUE(scan.skip_to_next());
    ASSERT_EQ(scan.offset(), kPackHeaderBytes) << shown;
    std::size_t records = 0;
    while (scan.next(true)) ++records;
    ASSERT_EQ(records, 4U);  // two groups, each with the mark of its sync
    ASSERT_EQ(scan.reason(), "");
  }
}

TEST_F(StoreTest, TheIndexIsRebuiltWhenItIsGoneDamagedOrAnotherStores) {
  const auto files = some_files();
  std::string id;
  {
    auto store = open();
    std::map<std::string, std::string> big;
    for (int i = 0; i < 60; ++i) big["f" + std::to_string(i)] = noise(100000, 100 + i);
    (void)commit(*store, "web1", big);  // enough for a run
    id = commit(*store, "web1", files).id;
    ASSERT_FALSE(files_in(home() + "/index/chunks").empty());
  }
  remove_tree(home() + "/index");
  EXPECT_EQ(complaint(home()), "");
  (void)commit(*open(), "web1", files);
  for (const std::string& path : files_in(home() + "/index")) {
    if (!path.ends_with(".run")) continue;
    overwrite(path, read_file(path).substr(0, 100));
  }
  EXPECT_EQ(complaint(home()), "");
  auto store = open();
  store->rebuild_index([](std::uint64_t, std::uint64_t) {});
  auto writer = store->writer("web1", "wiki", "rsync", "/srv");
  const ChunkId ids[] = {chunk_id(ObjectKind::Data, files.at("a")), chunk_id(ObjectKind::Data, "never")};
  EXPECT_EQ(writer->possession().has(ids), (std::vector<bool>{true, false}));
  EXPECT_EQ(store->newest("web1", "wiki", "rsync", "/srv")->root.node,
            writer->commit(snapshot_of(*writer, files)).root.node);
}

TEST_F(StoreTest, AFullDiskIsAnIoErrorAndNothingHalfWrittenCounts) {
  (void)commit(*open(), "web1", some_files());
  const pid_t child = ::fork();
  if (child == 0) {
    rlimit limit{4096, 4096};
    (void)::signal(SIGXFSZ, SIG_IGN);
    (void)::setrlimit(RLIMIT_FSIZE, &limit);
    int status = 1;
    try {
      auto store = open();
      auto writer = store->writer("web1", "wiki", "rsync", "/srv");
      (void)writer->put(ObjectKind::Data, noise(50000, 8));
      writer->sync();
    } catch (const Error& error) {
      status = error.kind() == Kind::Io && error.sys_errno() != 0 ? 0 : 2;
    }
    ::_exit(status);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(complaint(home()), "");
  EXPECT_EQ(commit(*open(), "web1", {{"z", noise(50000, 8)}}).sequence, 2U);
  EXPECT_EQ(complaint(home()), "");
}

}  // namespace
}  // namespace bk::store
