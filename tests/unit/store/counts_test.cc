// The counts that a clean goes by: they are what a walk over everything says, whatever happened to them.
#include "common/text/escape.h"
#include "server/store/counting.h"
#include "server/store/reach.h"
#include "tests/unit/store/store_fixture.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace bk::store {
namespace {

using namespace test;  // NOLINT: builders

using Files = std::map<std::string, std::string>;

class CountsTest : public StoreTest {
 protected:
  static StoreImpl& impl(Store& store) { return dynamic_cast<StoreImpl&>(store); }
  static void remove(Store& store, const std::string& client, const std::string& id) {
    store.mark_snapshots(client, {MarkKind::Removal, {1783000200, 0}, "root", ""}, std::vector{id});
  }
  static CleanTotals clean(Store& store) {
    CleanOptions options;
    options.rewrite_percent = 0;
    return store.clean(options);
  }
  static std::uint64_t unneeded(Store& store) {
    CleanOptions options;
    options.pretend = true;
    return store.clean(options).unneeded;
  }
  static std::string shown(const Key& key) { return hex_encode(bytes_of(key)); }
  using Numbers = std::map<std::string, std::int64_t>;
  // As the walk says: each object below the client's snapshots, and how many places name it.
  static Numbers walked(Store& store, const std::string& client) {
    Numbers out;
    std::set<std::string> entered;
    std::vector<NodeRef> todo;
    const auto name = [&](const NodeRef& ref) {
      const std::string key = shown(key_of(impl(store).id(), ref.id));
      ++out[key];
      if (ref.kind != ObjectKind::Data && entered.insert(key).second) todo.push_back(ref);
    };
    for (const SnapshotRecord& record : store.snapshots(client, {}))
      for (const NodeRef& ref : refs_of(record.root)) name(ref);
    while (!todo.empty()) {
      const NodeRef node = todo.back();
      todo.pop_back();
      for (const NodeRef& ref : node_refs(store.read(node.kind, node.id))) name(ref);
    }
    return out;
  }
  static Numbers counted(Store& store, const std::string& client) {
    Numbers out;
    const auto counts = Counts::load(impl(store).layout(), impl(store).id(), client);
    if (counts) counts->for_each([&](const Key& key, std::int64_t count) { out[shown(key)] = count; });
    EXPECT_TRUE(!counts || counts->state().keys == out.size());
    return out;
  }
  [[nodiscard]] std::string folder(const std::string& client) const {
    return home() + "/index/possession/" + client + "/counts";
  }
};

// A snapshot of folders in folders, with files of many chunks, so that nodes, lists and whole branches are
// shared between folders, snapshots and clients.
SnapshotRecord commit_tree(Store& store, const std::string& client,
                           const std::map<std::string, Files>& folders) {
  const auto writer = store.writer(client, "wiki", "rsync", "/srv");
  SnapshotRecord record;
  record.client = client;
  record.module = "wiki";
  record.method = "rsync";
  record.name = "/srv";
  record.began = record.ended = {1783000100, 0};
  record.root.type = EntryType::Directory;
  DirectoryWriter top(*writer);
  for (const auto& [folder, files] : folders) {
    DirectoryWriter below(*writer);
    for (const auto& [name, content] : files) below.add(chunked_entry(store, *writer, name, content));
    Entry entry;
    entry.name = folder;
    entry.type = EntryType::Directory;
    entry.node = below.finish().node;
    top.add(entry);
  }
  record.root.node = top.finish().node;
  return writer->commit(std::move(record));
}

// Folders that are made, changed, renamed and copied between two clients, snapshots that go, cleans: the
// counts are what a walk says, and what goes is exactly what nothing needs.
TEST_F(CountsTest, AreWhatAWalkSaysAfterEveryCleanOfRandomTrees) {
  std::mt19937 random(23);
  auto store = open();
  std::map<std::string, std::map<std::string, Files>> now;
  std::map<std::string, std::map<std::string, std::map<std::string, Files>>> kept;  // client, id
  int ordinary = 0;
  for (int step = 0; step < 150; ++step) {
    const std::string client = random() % 2 == 0 ? "web1" : "web2";
    auto& folders = now[client];
    const auto some = [&](auto& of) {
      return std::next(of.begin(), static_cast<long>(random() % of.size()));
    };
    switch (random() % 8) {
      case 0:
        folders["d" + std::to_string(random() % 5)]["f" + std::to_string(random() % 6)] =
            noise(1 + random() % 400000, random() % 9);
        break;
      case 1:
        if (folders.empty()) break;
        folders["r" + std::to_string(random() % 4)] = some(folders)->second;  // a copy
        if (random() % 2 == 0) folders.erase(some(folders));
        break;
      case 2:
        folders = now[client == "web1" ? "web2" : "web1"];
        break;
      case 3:
      case 4:
        kept[client][commit_tree(*store, client, folders).id] = folders;
        break;
      case 5:
        if (!kept[client].empty()) {
          const auto gone = some(kept[client]);
          remove(*store, client, gone->first);
          kept[client].erase(gone);
        }
        break;
      case 6:
        if (random() % 3 == 0) store = open();
        break;
      default: {
        const CleanTotals totals = clean(*store);
        ordinary += totals.all ? 0 : 1;
        for (const std::string name : {"web1", "web2"})
          ASSERT_EQ(counted(*store, name), walked(*store, name)) << step << " " << name;
        ASSERT_EQ(unneeded(*store), 0U) << step;
      }
    }
  }
  EXPECT_GE(ordinary, 8);
  for (const auto& [client, snapshots] : kept) {
    for (const SnapshotRecord& record : store->snapshots(client, {})) {
      DirectoryReader top(*store, record.root.node);
      for (const auto& [name, files] : snapshots.at(record.id)) {
        const auto folder = top.next();
        ASSERT_EQ(folder.value().name, name);
        DirectoryReader below(*store, folder->node);
        Files found;
        while (const auto file = below.next()) found[file->name] = content_of(*store, *file);
        EXPECT_EQ(found, files);
      }
    }
  }
  EXPECT_EQ(problems(*store), std::vector<std::string>{});
}

// Shown by making the rest unreadable.
TEST_F(CountsTest, ACleanReadsOnlyWhatCameAndWhatGoes) {
  auto store = open();
  std::map<std::string, Files> big;
  for (int i = 0; i < 40; ++i) big["d" + std::to_string(i)]["f"] = noise(3000, static_cast<std::uint64_t>(i));
  (void)commit_tree(*store, "web1", big);
  EXPECT_TRUE(clean(*store).all) << "nothing was counted yet";
  seal_all(*store);
  const std::vector<std::string> packs = files_in(home() + "/store/packs");
  const std::string goes = commit_tree(*store, "web2", {{"d", {{"f", noise(3000, 99)}}}}).id;
  EXPECT_TRUE(clean(*store).all) << "a client of whom nothing was counted yet";
  (void)commit_tree(*store, "web2", {{"e", {{"g", noise(3000, 98)}}}});
  remove(*store, "web2", goes);
  for (const std::string& path : packs) {
    std::string bytes = read_file(path);
    for (std::size_t at = 64; at < bytes.size(); at += 50) bytes[at] = static_cast<char>(bytes[at] ^ 0x55);
    replace_durably(path, bytes);
  }
  store = open();
  EXPECT_THROW((void)walked(*store, "web1"), Error);
  const CleanTotals totals = clean(*store);
  EXPECT_FALSE(totals.all);
  EXPECT_EQ(totals.unneeded, 3U);
  EXPECT_EQ(unneeded(*store), 0U);
  EXPECT_EQ(counted(*store, "web2"), walked(*store, "web2"));
}

// Also when it was made and removed between two cleans.
TEST_F(CountsTest, ASnapshotThatCameAndWentBetweenTwoCleansLeavesNothing) {
  auto store = open();
  const Files stays{{"a", noise(200000, 1)}}, goes{{"b", noise(20000, 2)}};
  (void)commit(*store, "web1", stays);
  (void)clean(*store);
  remove(*store, "web1", commit(*store, "web1", goes).id);
  const CleanTotals totals = clean(*store);
  EXPECT_FALSE(totals.all);
  EXPECT_GE(totals.unneeded, 2U);
  EXPECT_EQ(unneeded(*store), 0U);
}

// Whatever is not exactly what was written counts for nothing: all is counted anew.
TEST_F(CountsTest, ThatAreDamagedLostOrOldAreMadeAnew) {
  auto store = open();
  std::vector<std::string> ids;
  for (std::uint64_t i = 0; i < 6; ++i)
    ids.push_back(commit(*store, "web1", {{"same", noise(30000, 1)}, {"own", noise(30000, 10 + i)}}).id);
  (void)clean(*store);
  const std::vector<std::string> files = files_in(folder("web1"));
  ASSERT_GE(files.size(), 2U);
  std::map<std::string, std::string> older;
  for (const std::string& path : files) older[path] = read_file(path);
  std::size_t at = 0;
  const auto expect_right = [&](const std::string& what) {
    const auto opened = open();
    remove(*opened, "web1", ids.at(at++));
    (void)clean(*opened);
    EXPECT_EQ(counted(*opened, "web1"), walked(*opened, "web1")) << what;
    EXPECT_EQ(unneeded(*opened), 0U) << what;
    for (const SnapshotRecord& record : opened->snapshots()) {
      DirectoryReader reader(*opened, record.root.node);
      while (const auto entry = reader.next()) EXPECT_EQ(content_of(*opened, *entry).size(), entry->size);
    }
  };
  for (const std::string ending : {".run", "header"}) {
    for (const std::string& path : files_in(folder("web1"))) {
      if (!path.ends_with(ending)) continue;
      std::string bytes = read_file(path);
      bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
      replace_durably(path, bytes);
    }
    expect_right("damaged " + ending);
  }
  for (const std::string& path : files_in(folder("web1"))) remove_durably(path);
  expect_right("lost");
  // All of an older state of the index, as from a copy: the journal has gone on, and records are forgotten.
  for (const std::string& path : files_in(folder("web1"))) remove_durably(path);
  for (const auto& [path, bytes] : older) replace_durably(path, bytes);
  expect_right("older");
  // A record that counts for more than it was: as many as were written, by the same journal.
  const auto counts = Counts::load(impl(*store).layout(), impl(*store).id(), "web1");
  ASSERT_TRUE(counts.has_value());
  Counts::State state = counts->state();
  const std::vector<std::string> less =
      write_differences(folder("web1"), impl(*store).id(), [&](const Counts::Sink& sink) {
        counts->for_each([&](const Key& key, std::int64_t) { sink(key, -1); });
      });
  state.runs.insert(state.runs.end(), less.begin(), less.end());
  Counts::publish(impl(*store).layout(), impl(*store).id(), "web1", state);
  remove(*store, "web1", ids.at(at++));
  CleanOptions options;
  options.recount = true;
  options.rewrite_percent = 0;
  (void)store->clean(options);
  EXPECT_EQ(counted(*store, "web1"), walked(*store, "web1")) << "counted anew when asked";
}

// A tree that nobody needs any more and that cannot be read hinders no clean.
TEST_F(CountsTest, ARemovedSnapshotThatCannotBeReadHindersNothing) {
  auto store = open();
  const SnapshotRecord stays = commit(*store, "web1", {{"a", noise(5000, 1)}});
  (void)clean(*store);
  seal_all(*store);
  const SnapshotRecord goes = commit(*store, "web1", {{"b", noise(5000, 2)}});
  (void)clean(*store);
  remove(*store, "web1", goes.id);
  for (const std::string& path : files_in(home() + "/store/journal")) {
    std::string bytes = read_file(path);
    for (std::size_t at = 64; at < bytes.size(); at += 50) bytes[at] = static_cast<char>(bytes[at] ^ 0x55);
    replace_durably(path, bytes);
  }
  store = open();
  EXPECT_TRUE(clean(*store).all);
  EXPECT_EQ(counted(*store, "web1"), walked(*store, "web1"));
  DirectoryReader reader(*store, stays.root.node);
  EXPECT_EQ(content_of(*store, reader.next().value()), noise(5000, 1));
}

// What never was named is found when there is enough of it, and else with every eighth clean.
TEST_F(CountsTest, WhatNeverWasNamedGoesInTheEnd) {
  auto store = open();
  Files files;
  for (int i = 0; i < 300; ++i) files["f" + std::to_string(i)] = noise(100, static_cast<std::uint64_t>(i));
  (void)commit(*store, "web1", files);
  (void)clean(*store);
  store->writer("web1", "wiki", "rsync", "/srv")->put(ObjectKind::Data, noise(5000, 1000));
  int cleans = 1;
  while (!clean(*store).all) ASSERT_LE(++cleans, 8);
  EXPECT_EQ(cleans, 8);
  EXPECT_EQ(unneeded(*store), 0U);
  for (std::uint64_t i = 0; i < 30; ++i)
    store->writer("web1", "wiki", "rsync", "/srv")->put(ObjectKind::Data, noise(5000, 2000 + i));
  EXPECT_TRUE(clean(*store).all) << "much of it at once";
  EXPECT_EQ(unneeded(*store), 0U);
}

// What was counted is the client's, without what it is made of being stored a second time.
TEST_F(CountsTest, APossessionGoesOnFromWhatIsCounted) {
  auto store = open();
  const Files files{{"a", noise(50000, 1)}, {"b", noise(50000, 2)}};
  (void)commit(*store, "web1", files);
  const std::vector<ChunkId> ids{chunk_id(ObjectKind::Data, files.at("a")),
                                 chunk_id(ObjectKind::Data, "other")};
  (void)clean(*store);
  std::size_t runs = 0;
  for (const std::string& name : list_directory(home() + "/index/possession/web1"))
    runs += name.ends_with(".run") ? 1U : 0U;
  EXPECT_EQ(runs, 0U);
  const std::vector<bool> expected{true, false};
  EXPECT_EQ(store->writer("web1", "wiki", "rsync", "/srv")->possession().has(ids), expected);
  EXPECT_EQ(store->writer("web2", "wiki", "rsync", "/srv")->possession().has(ids),
            (std::vector{false, false}));
  EXPECT_TRUE(PossessionView(impl(*store).layout(), impl(*store).id(), "web1")
                  .owns(impl(*store).id().stored(ids.front())));
  // Made anew beside what is counted, and without it.
  remove_durably(home() + "/index/possession/web1/header");
  EXPECT_EQ(open()->writer("web1", "wiki", "rsync", "/srv")->possession().has(ids), expected);
  remove_tree(home() + "/index/possession/web1");
  EXPECT_EQ(open()->writer("web1", "wiki", "rsync", "/srv")->possession().has(ids), expected);
}

}  // namespace
}  // namespace bk::store
