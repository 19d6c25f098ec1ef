// A sealed source: everything works without its key, and nothing is told without it.
#include "common/crypt/key_file.h"
#include "common/crypt/seal_key.h"
#include "server/store/layout.h"
#include "server/store/reach.h"
#include "server/store/sealing_writer.h"
#include "server/store/unsealed_store.h"
#include "tests/unit/store/store_fixture.h"

#include <unistd.h>

namespace bk::store::test {
namespace {

class SealedSourceTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    SystemRandom random;
    key_ = new_unseal_key(random);
  }
  [[nodiscard]] std::unique_ptr<Writer> sealing(Store& store, const std::string& client = "web1") {
    return std::make_unique<SealingWriter>(store.writer(client, "wiki", "rsync", "/srv"), key_.sealing(),
                                           store.scratch());
  }
  SnapshotRecord commit_sealed(Store& store, const std::map<std::string, std::string>& files) {
    const std::unique_ptr<Writer> writer = sealing(store);
    return writer->commit(snapshot_of(*writer, files));
  }
  // What the key shows of the newest snapshot.
  [[nodiscard]] std::map<std::string, std::string> opened(const UnsealKey& key,
                                                          const StoreSettings& settings = {}) const {
    const std::unique_ptr<Store> store =
        unseal_store(Store::open(home() + "/store", false, {}, settings), key);
    const SnapshotRecord record = store->snapshots().back();
    EXPECT_EQ(record.root.mode, 0755U);
    std::map<std::string, std::string> out;
    DirectoryReader directory(*store, record.root.node);
    while (const std::optional<Entry> entry = directory.next()) out[entry->name] = content_of(*store, *entry);
    return out;
  }
  [[nodiscard]] std::vector<std::string> files_with(const std::string& bytes) const {
    std::vector<std::string> out;
    for (const char* folder : {"/store", "/index"})
      for (const std::string& path : files_in(home() + folder))
        if (read_file(path).find(bytes) != std::string::npos) out.push_back(path);
    return out;
  }
  UnsealKey key_;
};

const std::map<std::string, std::string>& some_files() {
  static const std::map<std::string, std::string> files{
      {"known-name", "known content of a known file\n"}, {"large", noise(300'000, 3)}, {"void", ""}};
  return files;
}

TEST_F(SealedSourceTest, ComesBackWithItsKeyAndOnlyWithIt) {
  (void)commit_sealed(*open(), some_files());
  EXPECT_EQ(opened(key_), some_files());
  SystemRandom random;
  auto others = unseal_store(open(), new_unseal_key(random));
  EXPECT_FALSE(others->snapshots().back().sealed_root.empty());
  others.reset();
  auto store = open();
  const SnapshotRecord record = store->snapshots().back();
  EXPECT_EQ(record.seal, key_.sealing().name());
  DirectoryReader directory(*store, record.root.node);
  try {
    (void)directory.next();
    FAIL() << "a sealed folder was read";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Refused);
  }
}

TEST_F(SealedSourceTest, WhoHasThePrivateKeyAndAnotherIdentityReadsNothing) {
  (void)commit_sealed(*open(), some_files());
  SystemRandom random;
  UnsealKey half = key_;
  half.identity = SecretKey(random.bytes(32));
  auto store = unseal_store(open(), half);
  EXPECT_FALSE(store->snapshots().back().sealed_root.empty());  // not taken for its own
}

TEST_F(SealedSourceTest, TellsNeitherContentNorNamesNorPlainIds) {
  {
    auto store = open();
    (void)commit_sealed(*store, some_files());
  }
  const ChunkId id = chunk_id(ObjectKind::Data, some_files().at("known-name"));
  for (const std::string& known : {std::string("known"), id.hex(), std::string(id.view().substr(0, 12)),
                                   some_files().at("large").substr(1000, 32)})
    EXPECT_EQ(files_with(known), std::vector<std::string>{}) << known;
}

TEST_F(SealedSourceTest, StoresWhatDidNotChangeOnce) {
  (void)commit_sealed(*open(), some_files());
  const std::uint64_t before = bytes_in(home() + "/store/journal");
  (void)commit_sealed(*open(), some_files());
  EXPECT_LT(bytes_in(home() + "/store/journal"), before + 4096);
  std::map<std::string, std::string> next = some_files();
  next["new"] = "new";
  (void)commit_sealed(*open(), next);
  EXPECT_LT(bytes_in(home() + "/store/journal"), before + 8192);
  EXPECT_EQ(opened(key_), next);
}

TEST_F(SealedSourceTest, IsWalkedCheckedAndRebuiltWithoutItsKey) {
  (void)commit_sealed(*open(), some_files());
  remove_tree(home() + "/index");
  auto store = open();
  EXPECT_EQ(problems(*store), std::vector<std::string>{});
  std::size_t data = 0;
  DiskMap visited(store->scratch());
  for_each_reachable(*store, store->snapshots().back().root, visited,
                     [&](ObjectKind kind, const ChunkId& id) {
                       EXPECT_NO_THROW((void)store->read(kind, id));
                       data += kind == ObjectKind::Data ? 1 : 0;
                     });
  EXPECT_GE(data, 2U);
}

TEST_F(SealedSourceTest, IsCleanedWithoutItsKey) {
  auto store = open();
  std::map<std::string, std::string> many = some_files();
  for (int i = 0; i < 40; ++i)
    many["gone" + std::to_string(i)] = noise(200'000, 100 + static_cast<std::uint64_t>(i));
  const SnapshotRecord first = commit_sealed(*store, many);
  (void)commit_sealed(*store, some_files());
  store->mark_snapshots("web1", {MarkKind::Removal, {1783000400, 0}, "root", ""},
                        std::vector<std::string>{first.id});
  const CleanTotals totals = store->clean({});
  EXPECT_GE(totals.unneeded, 40U);
  EXPECT_GT(totals.freed_bytes, 7'000'000U);
  EXPECT_LT(bytes_in(home() + "/store/packs") + bytes_in(home() + "/store/journal"), 2'000'000U);
  EXPECT_EQ(problems(*store), std::vector<std::string>{});
  store.reset();
  EXPECT_EQ(opened(key_), some_files());
}

TEST_F(SealedSourceTest, IsHealedFromParityAndFromACopyWithoutItsKey) {
  auto store = open();
  std::map<std::string, std::string> files = some_files();
  files["largest"] = "";
  {
    const std::unique_ptr<Writer> writer = sealing(*store);
    SnapshotRecord record = snapshot_of(*writer, {});
    StreamWriter stream(*writer, store->chunker());
    files["largest"] = noise(40U << 20U, 5);
    stream.feed(files["largest"]);
    DirectoryWriter directory(*writer);
    for (const auto& [name, content] : files) {
      Entry entry = file_entry(*writer, name, name == "largest" ? "" : content);
      if (name == "largest") {
        entry.size = content.size();
        entry.content = stream.finish();
      }
      directory.add(entry);
    }
    record.root.node = directory.finish().node;
    (void)writer->commit(record);
  }
  std::vector<std::string> packs = files_in(home() + "/store/packs");
  std::erase_if(packs, [](const std::string& path) { return !path.ends_with(".pack"); });
  ASSERT_FALSE(packs.empty());
  const std::string whole = read_file(packs[0]);
  std::string damaged = whole;
  for (std::size_t i = 0; i < 4096; ++i)
    damaged[100'000 + i] = static_cast<char>(damaged[100'000 + i] ^ 0x55);
  replace_durably(packs[0], damaged, 0600);
  EXPECT_FALSE(problems(*store).empty());
  EXPECT_EQ(store->heal("", [](const HealEvent&) {}, {}).repaired, 1U);
  EXPECT_EQ(read_file(packs[0]), whole);

  const std::string copy = home() + "/copy/" + packs[0].substr((home() + "/store/").size());
  for (const std::string& folder : {std::string("/copy"), std::string("/copy/packs")})
    ensure_directory(home() + folder);
  ensure_directory(parent_of(copy));
  replace_durably(home() + "/copy/header", read_file(home() + "/store/header"), 0600);
  replace_durably(copy, whole, 0600);
  ASSERT_EQ(::unlink((packs[0].substr(0, packs[0].size() - 4) + "parity").c_str()), 0);
  replace_durably(packs[0], damaged, 0600);
  EXPECT_EQ(store->heal(home() + "/copy", [](const HealEvent&) {}, {}).copied, 1U);
  EXPECT_EQ(read_file(packs[0]), whole);
  store.reset();
  EXPECT_EQ(opened(key_), files);
}

TEST_F(SealedSourceTest, LivesInAnEncryptedStoreToo) {
  SystemRandom random;
  const StoreSettings settings{.key_file = home() + "/key"};
  make_key_file(settings.key_file, new_key(random));
  {
    auto store = Store::open(home() + "/store", true, {}, settings);
    (void)commit_sealed(*store, some_files());
    EXPECT_EQ(problems(*store), std::vector<std::string>{});
  }
  EXPECT_EQ(opened(key_, settings), some_files());
}

TEST_F(SealedSourceTest, TellsWhenReferencesWereExchangedOutside) {
  ObjectSealer sealer(key_.identity);
  const std::string object = encode_page({});
  const ChunkId plain = chunk_id(ObjectKind::Tree, object);
  const std::string front = sealed_node_front(NodeType::Page, {});
  const std::string sealed = sealer.seal(plain, front, object);
  EXPECT_EQ(sealer.open(ObjectKind::Tree, plain, sealed), object);
  const NodeRef other{ObjectKind::Data, plain};
  const std::string another = sealed_node_front(NodeType::Page, {&other, 1}) + sealed.substr(front.size());
  EXPECT_EQ(node_refs(another).size(), 1U);
  EXPECT_THROW((void)sealer.open(ObjectKind::Tree, plain, another), Error);
  EXPECT_THROW((void)sealer.open(ObjectKind::Tree, plain, object), Error);
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string bytes = sealed;
    bytes[i] = static_cast<char>(bytes[i] ^ 1);
    EXPECT_THROW((void)sealer.open(ObjectKind::Tree, plain, bytes), Error) << i;
    EXPECT_THROW((void)sealer.open(ObjectKind::Tree, plain, sealed.substr(0, i)), Error) << i;
  }
}

}  // namespace
}  // namespace bk::store::test
