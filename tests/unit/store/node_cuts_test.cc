// Where directories, lists and streams are cut: what a change costs, and that the cuts of a store never move.
#include "server/store/node_cuts.h"

#include "common/chunk/file_cutter.h"
#include "server/store/extents.h"
#include "server/store/layout.h"
#include "tests/unit/store/store_fixture.h"

#include <cstring>
#include <random>

namespace bk::store {
namespace {

using namespace test;  // NOLINT: builders

class NodeCutsTest : public StoreTest {
 protected:
  // A store made with chunks of this average length.
  std::unique_ptr<Writer> writer(std::uint32_t average) {
    ensure_directory(home() + "/store");
    StoreHeader header;
    std::memset(header.id.data(), 7, header.id.size());
    header.chunker = {average / 4, average, average * 4};
    replace_durably(home() + "/store/header", write_header(header));
    store_ = open();
    return store_->writer("web1", "wiki", "rsync", "/srv");
  }

  static Entry entry(int i, std::uint64_t version) {
    Entry out;
    out.name = "file" + std::to_string(100000 + i) + ".dat";
    out.size = 900;
    out.inode = 1000 + static_cast<std::uint64_t>(i);
    out.content = {
        {Extent::Kind::Chunk, 900, Sha256::of(std::to_string(i) + "/" + std::to_string(version)), {}}};
    return out;
  }

  // The directory's files, of which one is of another version.
  static ChunkId directory(Writer& writer, int files, int changed = -1) {
    DirectoryWriter out(writer);
    for (int i = 0; i < files; ++i) out.add(entry(i, i == changed ? 1 : 0));
    return out.finish().node;
  }

  static std::vector<Extent> list(Writer& writer, std::size_t extents, std::size_t changed) {
    std::vector<Extent> all;
    for (std::size_t i = 0; i < extents; ++i)
      all.push_back(
          {Extent::Kind::Chunk, 8192, Sha256::of(std::to_string(i == changed ? i + extents : i)), {}});
    return fold_extents(writer, all);
  }

  std::unique_ptr<Store> store_;
};

// Others would store every directory and every long list once more.
TEST_F(NodeCutsTest, CutsNeverMove) {
  {
    const auto fine = writer(8192);
    EXPECT_EQ(directory(*fine, 3000).hex(),
              "7b5f7c839aad53e44aaef4be2bb7831da157cd47d29797f6bb47d5de56f79d9c");
    EXPECT_EQ(list(*fine, 30000, 0).at(0).id.hex(),
              "fce6379f5341a3ea0bbb644ea5ca5cc24d1c63c767a2ddc0f9413447935c8cac");
  }
  const auto coarse = writer(16384);
  EXPECT_EQ(directory(*coarse, 3000).hex(),
            "03b807e043ee7cb11f256f8641616a0e95042198df406fd5574ae42038545246");
  EXPECT_EQ(list(*coarse, 30000, 0).at(0).id.hex(),
            "69baa44a6fec9c6272d5fa07a188ff53f1a82839baf9efcda2e481f2cbdb725f");
}

// What the server cuts itself (archives, streams) and what agents cut are the same chunks, so each is stored
// once.
TEST_F(NodeCutsTest, AStreamIsCutAsAFileInWhateverPiecesItComes) {
  const auto fine = writer(8192);
  std::mt19937 random(3);
  for (const std::size_t size : {0U, 1U, 5000U, 40000U, 300000U}) {
    const std::string content = noise(size, size + 1);
    StreamWriter stream(*fine, store_->chunker());
    for (std::size_t at = 0; at < size;) {
      const std::size_t part = 1 + random() % 70000;
      stream.feed(std::string_view(content).substr(at, part));
      at += part;
    }
    std::vector<Extent> wanted;
    FileCutter cutter(store_->chunker());
    cutter.begin(content);
    for (std::string_view rest = content; !rest.empty();) {
      const std::size_t cut = cutter.next_cut(rest, size - rest.size(), true);
      wanted.push_back({Extent::Kind::Chunk, cut, chunk_id(ObjectKind::Data, rest.substr(0, cut)), {}});
      rest.remove_prefix(cut);
    }
    EXPECT_EQ(stream.finish(), wanted) << size;
  }
}

TEST_F(NodeCutsTest, AChangedFileCostsAKilobyteOfNodes) {
  const auto fine = writer(8192);
  (void)directory(*fine, 90);
  const std::uint64_t before = fine->totals().new_content_bytes;
  for (int i = 0; i < 90; ++i) (void)directory(*fine, 90, i);
  EXPECT_LT(fine->totals().new_content_bytes - before, 90U * 1100);
}

TEST_F(NodeCutsTest, AChangedChunkOfALongFileCostsAFewListsOfAFewChunks) {
  const auto fine = writer(8192);
  (void)list(*fine, 20000, 0);
  const std::uint64_t before = fine->totals().new_content_bytes;
  for (std::size_t i = 0; i < 50; ++i) (void)list(*fine, 20000, 399 * i + 1);
  EXPECT_LT(fine->totals().new_content_bytes - before, 50U * 3200);
}

// With the longest names an inner node has few children, and a tree may have twelve levels of them.
TEST_F(NodeCutsTest, ManyLongNamesMakeNoTreeThatIsTooDeep) {
  const auto fine = writer(8192);
  DirectoryWriter out(*fine);
  Entry entry;
  for (int i = 0; i < 60000; ++i) {
    entry.name = std::to_string(100000 + i);
    entry.name.resize(255, 'x');
    out.add(entry);
  }
  const ChunkId node = out.finish().node;
  fine->sync();
  EXPECT_EQ(node_type(store_->read(ObjectKind::Tree, node)), NodeType::Inner);
  EXPECT_LE(decode_inner(store_->read(ObjectKind::Tree, node)).level, 9U);
}

}  // namespace
}  // namespace bk::store
