#include "server/store/extents.h"
#include "server/store/node.h"
#include "tests/support/sanitized.h"
#include "tests/unit/store/store_fixture.h"

#include <sys/resource.h>
#include <unistd.h>

namespace bk::store {
namespace {

using namespace test;  // NOLINT: builders

ChunkId id_of(std::uint64_t seed) { return Sha256::of(std::to_string(seed)); }

std::vector<Entry> every_kind_of_entry() {
  std::vector<Entry> out(9);
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i].name = std::string(1, static_cast<char>('a' + i)) + "\xff\n";
    out[i].mode = 04755;
    out[i].uid = 4294967295U;
    out[i].mtime = {-62135596800 + static_cast<std::int64_t>(i) * 9000000000000, 999999999};
    out[i].ctime = {INT64_MAX, 1};
    out[i].inode = UINT64_MAX - i;
    out[i].device = i / 3;
  }
  out[0].size = 10;
  out[0].content = {{Extent::Kind::Chunk, 10, id_of(1), {}}};
  out[1].size = 1 << 20;
  out[1].links = 3;
  out[1].content = {{Extent::Kind::Hole, 1000, {}, {}},
                    {Extent::Kind::Inline, 3, {}, std::string("x\0y", 3)},
                    {Extent::Kind::Chunk, 7, id_of(2), {}},
                    {Extent::Kind::List, 1 << 20, id_of(3), {}}};
  out[2].type = EntryType::Directory;
  out[2].node = id_of(4);
  out[2].listing = id_of(5);
  out[2].has_subdirectories = true;
  out[3].type = EntryType::Symlink;
  out[3].target = "../\x80 target";
  out[3].size = out[3].target.size();
  out[4].type = EntryType::CharDevice;
  out[4].rdev_major = 4095;
  out[4].rdev_minor = 1048575;
  out[5].type = EntryType::Fifo;
  out[5].xattrs = {{"user.a", std::string("\0\1", 2)}, {"user.b", ""}};
  out[6].type = EntryType::Socket;
  out[7].size = 77;
  out[7].unreadable = true;
  out[8].changed_while_read = true;
  return out;
}

TEST(Node, EveryKindOfEntryComesBack) {
  const std::vector<Entry> entries = every_kind_of_entry();
  EXPECT_EQ(decode_page(encode_page(entries)), entries);
  EXPECT_EQ(decode_page(encode_page({})), std::vector<Entry>{});
}

TEST(Node, ReferencesAreReadWithoutTheRest) {
  const std::string page = encode_page(every_kind_of_entry());
  std::vector<ChunkId> ids;
  for (const NodeRef& ref : node_refs(page.substr(0, 2 + 3 + 4 * 32))) ids.push_back(ref.id);
  EXPECT_EQ(ids, (std::vector<ChunkId>{id_of(4), id_of(3), id_of(1), id_of(2)}));
}

TEST(Node, DamagedNodesThrowCorruptAndNothingElse) {
  const std::string page = encode_page(every_kind_of_entry());
  const InnerNode inner{2, {{"abc", id_of(1), 9}, {"abd", id_of(2), 8}}};
  EXPECT_EQ(decode_inner(encode_inner(inner)), inner);
  for (const std::string& good : {page, encode_inner(inner)}) {
    for (std::size_t i = 0; i < good.size(); ++i) {
      for (const std::string& bad : {good.substr(0, i), good.substr(0, i) + '\xff' + good.substr(i + 1)}) {
        try {
          (void)(node_type(bad) == NodeType::Page ? decode_page(bad).size()
                                                  : decode_inner(bad).children.size());
        } catch (const Error& error) {
          EXPECT_EQ(error.kind(), Kind::Corrupt);
        }
      }
    }
  }
}

TEST_F(StoreTest, ATreeOf200000EntriesIsWrittenAndReadInBoundedMemory) {
  auto store = open();
  auto writer = store->writer("web1", "wiki", "rsync", "/srv");
  rusage before{};
  (void)::getrusage(RUSAGE_SELF, &before);
  const auto name_of = [](int i) { return "name-" + std::to_string(1000000 + i); };
  DirectoryWriter directory(*writer);
  for (int i = 0; i < 200000; ++i) {
    Entry entry;
    entry.name = name_of(i);
    entry.size = 5;
    entry.mtime = entry.ctime = {1700000000 + i * 7 % 1000, static_cast<std::uint32_t>(i)};
    entry.content = {{Extent::Kind::Chunk, 5, id_of(static_cast<std::uint64_t>(i)), {}}};
    directory.add(entry);
  }
  const ChunkId node = directory.finish().node;
  writer->sync();
  DirectoryReader reader(*store, node);
  int count = 0;
  while (const auto entry = reader.next()) {
    ASSERT_EQ(entry->name, name_of(count));
    ++count;
  }
  EXPECT_EQ(count, 200000);
  EXPECT_EQ(reader.find(name_of(123456))->content[0].id, id_of(123456));
  EXPECT_FALSE(reader.find("name-1123456x"));
  EXPECT_FALSE(reader.find("zzz"));
  rusage after{};
  (void)::getrusage(RUSAGE_SELF, &after);
  if (!bk::test::kSanitized) {
    EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 64L * 1024);  // KiB
  }
}

TEST_F(StoreTest, AnInsertedEntryRewritesFewNodes) {
  auto store = open();
  auto writer = store->writer("web1", "wiki", "rsync", "/srv");
  const auto write = [&](const std::string& extra) {
    DirectoryWriter directory(*writer);
    for (int i = 0; i < 20000; ++i) {
      const std::string name = "name-" + std::to_string(100000 + i);
      Entry entry;
      entry.name = name;
      entry.size = 5;
      entry.content = {{Extent::Kind::Chunk, 5, id_of(static_cast<std::uint64_t>(i)), {}}};
      directory.add(entry);
      if (!extra.empty() && i == 9999) {
        entry.name = extra;
        directory.add(entry);
      }
    }
    return directory.finish().node;
  };
  const ChunkId first = write("");
  const Writer::Totals before = writer->totals();
  EXPECT_NE(write("name-109999-new"), first);
  const Writer::Totals after = writer->totals();
  EXPECT_LE(after.new_chunks - before.new_chunks, 8U);
  EXPECT_LE(after.new_content_bytes - before.new_content_bytes, 24000U);
}

TEST_F(StoreTest, ALongFileIsFoldedIntoListsAndAChangeInItsMiddleRewritesFewOfThem) {
  auto store = open();
  auto writer = store->writer("web1", "wiki", "rsync", "/srv");
  std::vector<Extent> extents;
  for (std::uint64_t i = 0; i < 100000; ++i) extents.push_back({Extent::Kind::Chunk, 10, id_of(i), {}});
  Entry entry;
  entry.content = fold_extents(*writer, extents);
  EXPECT_LE(entry.content.size(), kInlineExtents);
  std::vector<Extent> back;
  for_each_extent(*store, entry, [&](const Extent& extent) { back.push_back(extent); });
  EXPECT_EQ(back, extents);
  const Writer::Totals before = writer->totals();
  extents.insert(extents.begin() + 50000, {Extent::Kind::Hole, 10, {}, {}});
  Entry changed;
  changed.content = fold_extents(*writer, extents);
  EXPECT_LE(writer->totals().new_chunks - before.new_chunks, 12U);
  for (const std::size_t few : {0U, 1U, 64U, 65U, 300U}) {
    Entry small;
    small.content =
        fold_extents(*writer, {extents.begin(), extents.begin() + static_cast<std::ptrdiff_t>(few)});
    std::size_t count = 0;
    for_each_extent(*store, small, [&](const Extent&) { ++count; });
    EXPECT_EQ(count, few);
  }
}

TEST_F(StoreTest, EntriesOutOfOrderOrWithBadNamesAreRefused) {
  auto store = open();
  auto writer = store->writer("web1", "wiki", "rsync", "/srv");
  DirectoryWriter directory(*writer);
  Entry entry;
  entry.name = "b";
  directory.add(entry);
  for (const std::string& name :
       {std::string("b"), std::string("a"), std::string(".."), std::string("x/y"), std::string()}) {
    entry.name = name;
    EXPECT_THROW(directory.add(entry), Error) << name;
  }
}

TEST_F(StoreTest, ALocalFolderIsStoredWithContentsAndLinks) {
  const std::string folder = home() + "/mirror";
  ensure_directory(folder + "/objects/pack");
  const std::string big = noise(700000, 3);
  ASSERT_TRUE(create_durably(folder + "/objects/pack/p", big));
  ASSERT_TRUE(create_durably(folder + "/HEAD", "ref: refs/heads/main\n"));
  ASSERT_TRUE(create_durably(folder + "/hooks", "not taken"));
  ASSERT_EQ(::symlink("HEAD", (folder + "/link").c_str()), 0);
  auto store = open();
  auto writer = store->writer("web1", "wiki", "git", "/srv");
  const Entry root = store_local_tree(*writer, store->chunker(), folder,
                                      [](std::string_view path) { return path != "hooks"; });
  DirectoryReader top(*store, root.node);
  EXPECT_TRUE(root.has_subdirectories);
  EXPECT_EQ(content_of(*store, *top.find("HEAD")), "ref: refs/heads/main\n");
  EXPECT_EQ(top.find("link")->target, "HEAD");
  EXPECT_FALSE(top.find("hooks"));
  DirectoryReader objects(*store, top.find("objects")->node);
  DirectoryReader pack(*store, objects.find("pack")->node);
  EXPECT_EQ(content_of(*store, *pack.find("p")), big);
}

}  // namespace
}  // namespace bk::store
