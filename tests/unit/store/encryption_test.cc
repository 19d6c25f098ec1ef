// An encrypted store: everything works with its key, nothing is told without it.
#include "common/crypt/key_file.h"
#include "common/random/random.h"
#include "server/store/layout.h"
#include "tests/unit/store/store_fixture.h"

#include <algorithm>
#include <filesystem>

namespace bk::store::test {
namespace {

class EncryptedStoreTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    SystemRandom random;
    settings_.key_file = home() + "/key";
    make_key_file(settings_.key_file, new_key(random));
  }
  [[nodiscard]] std::unique_ptr<Store> open_store() {
    return Store::open(home() + "/store", true, {}, settings_);
  }
  [[nodiscard]] std::vector<std::string> below(const std::string& part) const {
    return files_in(home() + "/store/" + part);
  }
  // What somebody finds who looks for these bytes in every file of store and index.
  [[nodiscard]] std::vector<std::string> files_with(const std::string& bytes) const {
    std::vector<std::string> out;
    for (const char* folder : {"/store", "/index"}) {
      for (const std::string& path : files_in(home() + folder)) {
        if (read_file(path).find(bytes) != std::string::npos || path.find(bytes) != std::string::npos)
          out.push_back(path);
      }
    }
    return out;
  }
  [[nodiscard]] std::string why_not(const StoreSettings& settings) const {
    try {
      (void)Store::open(home() + "/store", false, {}, settings);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::Config);
      return error.what();
    }
    return "";
  }
  StoreSettings settings_;
};

void put_file(const std::string& path, const std::string& bytes, unsigned mode) {
  replace_durably(path, bytes, mode);
}

std::string read_back(Store& store, const std::string& name) {
  const SnapshotRecord record = store.snapshots().back();
  DirectoryReader directory(store, record.root.node);
  const std::optional<Entry> entry = directory.find(name);
  return entry ? content_of(store, *entry) : "not there";
}

TEST_F(EncryptedStoreTest, GivesEverythingBackAlsoWithoutItsIndex) {
  const std::string large = noise(40U << 20U, 7);  // more than a pack
  (void)commit(*open_store(), "web1", {{"secret-name", "secret content"}, {"tiny", "x"}});
  {
    auto store = open_store();
    auto writer = store->writer("web1", "wiki", "rsync", "/srv");
    StreamWriter stream(*writer, store->chunker());
    stream.feed(large);
    SnapshotRecord record = snapshot_of(*writer, {});
    Entry entry = file_entry(*writer, "large", "");
    entry.size = large.size();
    entry.content = stream.finish();
    DirectoryWriter directory(*writer);
    directory.add(entry);
    record.root.node = directory.finish().node;
    (void)writer->commit(record);
    EXPECT_EQ(read_back(*store, "large"), large);
  }
  ASSERT_FALSE(below("packs").empty());
  remove_tree(home() + "/index");
  auto store = open_store();
  EXPECT_EQ(read_back(*store, "large"), large);
  EXPECT_EQ(store->snapshots().size(), 2U);
  EXPECT_EQ(problems(*store), std::vector<std::string>{});
}

TEST_F(EncryptedStoreTest, StoresTheSameTwiceOnce) {
  const std::string content = noise(3U << 20U, 9);
  (void)commit(*open_store(), "web1", {{"a", content}});
  const std::uint64_t before = bytes_in(home() + "/store/journal");
  (void)commit(*open_store(), "web1", {{"a", content}});
  EXPECT_LT(bytes_in(home() + "/store/journal"), before + 4096);
}

TEST_F(EncryptedStoreTest, TellsNeitherContentNorNamesNorPlainIds) {
  const std::string content = "known content of a known file\n";
  {
    auto store = open_store();
    const SnapshotRecord record = commit(*store, "web1", {{"known-name", content}});
    auto writer = store->writer("web1", "wiki", "rsync", "/known-source");
    CheckpointRecord checkpoint;
    checkpoint.client = "web1";
    checkpoint.module = "wiki";
    checkpoint.method = "rsync";
    checkpoint.name = "/known-source";
    checkpoint.began = {1783000300, 0};
    checkpoint.node = record.root.node;
    writer->save_checkpoint(checkpoint);
    EXPECT_TRUE(store->checkpoint("web1", "wiki", "rsync", "/known-source"));
    store->mark_snapshots("web1", {MarkKind::Hold, {1783000400, 0}, "known-login", "known-reason"},
                          std::vector<std::string>{record.id});
    EXPECT_EQ(store->holds("web1").at(record.id).reason, "known-reason");
    EXPECT_EQ(files_with(record.root.node.hex()), std::vector<std::string>{});
  }
  const ChunkId id = chunk_id(ObjectKind::Data, content);
  const std::string source = Sha256::of(std::string("web1\0wiki\0rsync\0/srv", 20)).hex().substr(0, 32);
  for (const std::string& known :
       {content, std::string("known"), std::string("/srv"), std::string("bk-snapshot"), id.hex(), source,
        std::string(id.view().substr(0, 16)), std::string(id.view().substr(1, 12))})
    EXPECT_EQ(files_with(known), std::vector<std::string>{}) << known;
}

TEST_F(EncryptedStoreTest, AWrongALostAndAMissingKeyAreSaidInOneLine) {
  (void)commit(*open_store(), "web1", {{"a", "content"}});
  const std::string name = key_name(load_key(settings_.key_file));
  EXPECT_NE(why_not({}).find("is encrypted with the key " + name + ": name its file as key_file"),
            std::string::npos);
  SystemRandom random;
  make_key_file(home() + "/other", new_key(random));
  EXPECT_NE(why_not({.key_file = home() + "/other"}).find("is encrypted with the key " + name + ", and "),
            std::string::npos);
  EXPECT_NE(why_not({.key_file = home() + "/none"}).find("is missing"), std::string::npos);
  put_file(home() + "/bad", "bk-key 1\n", 0600);
  EXPECT_NE(why_not({.key_file = home() + "/bad"}).find("is no key"), std::string::npos);
  EXPECT_THROW(make_key_file(home() + "/other", new_key(random)), Error);
}

TEST_F(EncryptedStoreTest, APlainStoreTakesNoKey) {
  (void)Store::open(home() + "/store", true);
  EXPECT_NE(why_not(settings_).find("is not encrypted"), std::string::npos);
}

// Flips a bit of every byte of what was stored, one at a time, in steps; nothing wrong is ever given.
TEST_F(EncryptedStoreTest, NoticesEveryFlippedBit) {
  const std::string content = noise(3000, 5);
  (void)commit(*open_store(), "web1", {{"a", content}});
  std::vector<std::string> files = below("journal");
  const std::vector<std::string> records = below("snapshots/web1");
  std::copy_if(records.begin(), records.end(), std::back_inserter(files),
               [](const std::string& path) { return path.ends_with(".snapshot"); });
  ASSERT_EQ(files.size(), 2U);
  for (const std::string& path : files) {
    const std::string good = read_file(path);
    for (std::size_t at = 0; at < good.size(); at += 97) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ 4);
      put_file(path, bad, 0600);
      try {
        auto store = Store::open_to_read(home() + "/store", {}, settings_);
        EXPECT_EQ(read_back(*store, "a"), content) << path << " byte " << at;
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), Kind::Corrupt) << error.what();
      }
    }
    put_file(path, good, 0600);
  }
}

// Whoever can write digests anew still cannot move a record: it opens in its own place only.
TEST_F(EncryptedStoreTest, RecordsAndJournalsComeBackFromACopyAsTheyWere) {
  {
    const auto store = open_store();
    for (const char* content : {"first", "second", "third"})
      (void)commit(*store, "web1", {{"secret-name", content}});
    const std::vector<std::string> ids{store->snapshots().at(1).id};
    store->mark_snapshots("web1", {MarkKind::Removal, {1783000200, 0}, "root", "asked for"}, ids);
    (void)store->clean({});
  }
  ensure_directory(home() + "/copy");
  std::filesystem::copy(home() + "/store", home() + "/copy/store", std::filesystem::copy_options::recursive);
  const std::vector<std::string> paths = below("snapshots");
  EXPECT_GE(paths.size(), 4U);
  const auto heal = [&] {
    const auto store = open_store();
    const HealTotals totals = store->heal(home() + "/copy/store", [](const HealEvent&) {}, {});
    EXPECT_EQ(problems(*store), std::vector<std::string>{});
    EXPECT_EQ(store->snapshots().size(), 2U);
    EXPECT_EQ(read_back(*store, "secret-name"), "third");
    return totals;
  };
  EXPECT_EQ(heal().files_healed, 0U);
  for (const std::string& path : paths) {
    if (path.ends_with("/lock")) continue;
    const std::string whole = read_file(path);
    std::string flipped = whole;
    flipped[flipped.size() / 2] = static_cast<char>(flipped[flipped.size() / 2] ^ 1);
    for (const std::string& harmed : {flipped, whole.substr(0, whole.size() / 2), std::string("")}) {
      remove_durably(path);
      if (!harmed.empty()) replace_durably(path, harmed);
      const HealTotals totals = heal();
      EXPECT_EQ(totals.files_damaged, 0U) << path;
      // Opening takes up the last lines of a journal by itself; a record is covered anew.
      if (path.ends_with(".snapshot")) {
        EXPECT_EQ(totals.files_healed, 1U) << path;
      } else if (path.ends_with("/journal")) {
        EXPECT_TRUE(read_file(path) == whole) << path;
      }
    }
  }
}

TEST_F(EncryptedStoreTest, ARecordInAnotherPlaceOpensNeverEvenWithDigestsMadeAnew) {
  const std::string master = read_file(settings_.key_file);
  StoreId id;
  id.bytes[0] = 1;
  id.domain = std::make_shared<const Domain>(
      parse_key(master), std::string_view(reinterpret_cast<const char*>(id.data()), id.size()));
  const RecordPlace place{{id, 7}, 64};
  RecordHead head;
  std::string buffer;
  const std::string content = "content that is secret";
  const ChunkId plain = chunk_id(ObjectKind::Data, content);
  head.content_bytes = static_cast<std::uint32_t>(content.size());
  head.chunks.push_back({id.stored(plain), ObjectKind::Data, head.content_bytes});
  std::string payload(cover_payload(head, content, place, buffer));
  std::string bytes = write_record_head(head, place);
  EXPECT_EQ(parse_record_head(bytes, place).chunks.at(0).id, id.stored(plain));
  uncover_payload(head, place, payload);
  EXPECT_EQ(payload, content);
  EXPECT_EQ(bytes.find(plain.view()), std::string::npos);

  const auto moved = [&](const RecordPlace& to) {
    std::string forged = bytes.substr(0, bytes.size() - kRecordDigestBytes);
    std::string where(reinterpret_cast<const char*>(id.data()), id.size());
    for (const std::uint64_t word : {to.pack.number, to.offset}) {
      for (unsigned i = 0; i < 8; ++i) where += static_cast<char>(word >> (8 * i));
    }
    forged += Sha256::of(where + forged).view().substr(0, kRecordDigestBytes);
    (void)parse_record_head(forged, to);
  };
  EXPECT_NO_THROW(moved(place));
  EXPECT_THROW(moved({{id, 7}, 128}), Error);
  EXPECT_THROW(moved({{id, 8}, 64}), Error);
  std::string sealed(buffer);
  EXPECT_THROW(uncover_payload(head, {{id, 7}, 128}, sealed), Error);
}

TEST_F(EncryptedStoreTest, ASwappedSnapshotIsNotTheOther) {
  (void)commit(*open_store(), "web1", {{"a", "one"}});
  (void)commit(*open_store(), "web1", {{"a", "two"}});
  const std::string folder = home() + "/store/snapshots/web1/0000000000000000000";
  put_file(folder + "1.snapshot", read_file(folder + "2.snapshot"), 0600);
  EXPECT_THROW((void)open_store()->snapshots(), Error);
}

}  // namespace
}  // namespace bk::store::test
