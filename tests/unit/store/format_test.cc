// The worked examples of the format pages, read from the pages themselves.
#include "common/crypt/hpke.h"
#include "common/crypt/key_file.h"
#include "common/crypt/seal_key.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"
#include "server/store/layout.h"
#include "server/store/node.h"
#include "server/store/record.h"
#include "server/store/sealed.h"
#include "server/store/snapshot.h"
#include "server/store/snapshot_mark.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace bk::store {
namespace {

// The text between "```<tag>" and "```" on a page, of the `number`th such block.
std::string block(const std::string& page, const std::string& tag, int number = 1) {
  const std::string text = read_file(std::string(BK_SOURCE_DIR) + "/docs/formats/" + page);
  const std::string open = "```" + tag + "\n";
  std::size_t begin = text.find(open);
  for (; number > 1; --number) begin = text.find(open, begin + 1);
  EXPECT_NE(begin, std::string::npos) << page << " has no block " << tag;
  if (begin == std::string::npos) return {};
  return text.substr(begin + open.size(), text.find("```", begin + 3) - begin - open.size());
}

std::string bytes_of(std::string hex) {
  std::erase_if(hex, [](char c) { return c == ' ' || c == '\n'; });
  return hex_decode(hex).value_or("");
}

TEST(StoreFormat, TheHeaderOnItsPageParses) {
  const std::string text = block("store.md", "bk-store");
  const StoreHeader header = parse_header(text);
  EXPECT_EQ(header.chunker, ChunkerParams{});
  EXPECT_EQ(write_header(header), text);
}

TEST(StoreFormat, ThePackOnItsPageParses) {
  const std::string bytes = bytes_of(block("store.md", "hex"));
  PackRef pack{parse_header(block("store.md", "bk-store")).id, 0x0123456789abcdefU};
  check_pack_header(bytes.substr(0, kPackHeaderBytes), pack);
  const std::string record = bytes.substr(kPackHeaderBytes);
  const RecordSizes sizes = parse_record_sizes(record);
  ASSERT_EQ(sizes.all_bytes(), record.size());
  const RecordHead head = parse_record_head(record.substr(0, sizes.head_bytes()), {pack, kPackHeaderBytes});
  EXPECT_EQ(write_record_head(head, {pack, kPackHeaderBytes}), record.substr(0, sizes.head_bytes()));
  const std::string content = record.substr(sizes.head_bytes());
  EXPECT_EQ(shorten(Sha256::of(content)), head.payload_digest);
  std::vector<std::string> chunks;
  for_each_chunk(head, pack.store, content, [&](std::size_t, const StoredChunk&, std::string_view chunk) {
    chunks.emplace_back(chunk);
  });
  EXPECT_EQ(chunks, (std::vector<std::string>{"hello, world\n", "hello\n"}));
}

// What a later version may write, with digests that fit: refused, never guessed at.
TEST(StoreFormat, NothingThatThisVersionDoesNotKnowIsTakenForARecord) {
  const std::string record = bytes_of(block("store.md", "hex")).substr(kPackHeaderBytes);
  const RecordPlace place{{parse_header(block("store.md", "bk-store")).id, 0x0123456789abcdefU},
                          kPackHeaderBytes};
  const std::size_t covered = parse_record_sizes(record).head_bytes() - kRecordDigestBytes;
  const auto parsed = [&](std::size_t at, char value) {
    std::string head = record.substr(0, covered);
    head[at] = value;
    std::string where(reinterpret_cast<const char*>(place.pack.store.data()), 16);
    for (const std::uint64_t number : {place.pack.number, place.offset})
      for (unsigned i = 0; i < 8; ++i) where += static_cast<char>(number >> (8 * i));
    const ShortDigest digest = shorten(Sha256::of(where + head));
    head.append(reinterpret_cast<const char*>(digest.data()), digest.size());
    return parse_record_head(head, place);
  };
  EXPECT_NO_THROW((void)parsed(4, 'G'));
  const std::vector<std::pair<std::size_t, char>> later{{0, 'C'}, {3, '2'}, {4, 'D'}, {5, 2},    {6, 1},
                                                        {6, 2},   {7, 2},   {8, 1},   {11, 1},   {28, 1},
                                                        {31, 1},  {32, 1},  {47, 1},  {64, 0x37}};
  for (const auto& [at, value] : later) EXPECT_THROW((void)parsed(at, value), Error) << at;
  for (const char* header : {"bk-store 2\n", "bk-stor 1\n"}) {
    std::string text = block("store.md", "bk-store");
    text = header + text.substr(text.find('\n') + 1, text.find("end: ") - text.find('\n') - 1);
    EXPECT_THROW((void)parse_header(text + "end: sha256 " + Sha256::of(text).hex() + "\n"), Error) << header;
  }
  for (const char* line : {"domain: 2", "algorithm: sha3", "future: 1"}) {
    std::string text = block("store.md", "bk-store");
    const std::string key(line, std::string_view(line).find(' '));
    const std::size_t at = std::min(text.find(key), text.find("end: "));
    text = text.substr(0, at) + line + "\n" +
           (text.compare(at, 3, "end") == 0 ? "" : text.substr(text.find('\n', at) + 1));
    text = text.substr(0, text.find("end: "));
    EXPECT_THROW((void)parse_header(text + "end: sha256 " + Sha256::of(text).hex() + "\n"), Error) << text;
  }
}

TEST(StoreFormat, TheEncryptedRecordOnItsPageParses) {
  const SecretKey key = parse_key(block("store.md", "bk-key"));
  EXPECT_EQ(write_key(key), block("store.md", "bk-key"));
  const std::string text = block("store.md", "bk-store", 2);
  StoreHeader header = parse_header(text);
  EXPECT_EQ(write_header(header), text);
  EXPECT_EQ(header.key_name, key_name(key));
  header.id.domain = std::make_shared<const Domain>(
      key, std::string_view(reinterpret_cast<const char*>(header.id.data()), header.id.size()));

  const std::string record = bytes_of(block("store.md", "hex", 2));
  const RecordPlace place{{header.id, 0x0123456789abcdefU}, kPackHeaderBytes};
  const RecordSizes sizes = parse_record_sizes(record);
  ASSERT_EQ(sizes.all_bytes(), record.size());
  const RecordHead head = parse_record_head(record.substr(0, sizes.head_bytes()), place);
  EXPECT_EQ(write_record_head(head, place), record.substr(0, sizes.head_bytes()));
  const std::string page = read_file(std::string(BK_SOURCE_DIR) + "/docs/formats/store.md");
  EXPECT_NE(page.find("is stored as " + head.chunks.at(0).id.digest.hex() + ":"), std::string::npos);
  std::string payload = record.substr(sizes.head_bytes());
  uncover_payload(head, place, payload);
  EXPECT_EQ(payload, "hello, world\nhello\n");
  for_each_chunk(head, header.id, payload, [](std::size_t, const StoredChunk&, std::string_view) {});
}

TEST(StoreFormat, ThePageOfADirectoryOnItsPageParses) {
  const std::string bytes = bytes_of(block("tree.md", "hex"));
  EXPECT_EQ(chunk_id(ObjectKind::Tree, bytes).hex(),
            "1d7a9addbfcec70b15a94ca52887cda363ad61c080238677c180eb6c71f247ed");
  const std::vector<Entry> entries = decode_page(bytes);
  ASSERT_EQ(entries.size(), 3U);
  EXPECT_EQ(entries[0].name, "README");
  EXPECT_EQ(entries[0].content.at(0).id, chunk_id(ObjectKind::Data, "hello, world\n"));
  EXPECT_EQ(entries[1].target, "README");
  EXPECT_EQ(entries[2].node, chunk_id(ObjectKind::Tree, encode_page({})));
  EXPECT_EQ(encode_page(entries), bytes);
}

TEST(StoreFormat, TheSnapshotOnItsPageParses) {
  const std::string text = block("snapshot.md", "bk-snapshot");
  const SnapshotRecord record = parse_snapshot(text);
  EXPECT_EQ(record.name, "/srv/caf\xc3\xa9");
  EXPECT_EQ(record.skipped.at(0), "unreadable private/key%0A");
  EXPECT_EQ(record.id, Sha256::of(text).hex());
  EXPECT_EQ(write_snapshot(record), text);
}

TEST(StoreFormat, TheArchivesSnapshotOnItsPageParses) {
  const std::string text = block("snapshot.md", "bk-snapshot", 2);
  const SnapshotRecord record = parse_snapshot(text);
  EXPECT_EQ(record.archive_sha256, "84ff92691f909a05b224e1c56abb4864f01b4f8e3c854e4bb4c7baf1d3f6d652");
  EXPECT_EQ(record.root.content.at(0).bytes, record.root.size);
  EXPECT_EQ(record.skipped_count, record.skipped.size());
  EXPECT_EQ(write_snapshot(record), text);
}

TEST(StoreFormat, TheSealedSourceOnItsPageOpens) {
  const UnsealKey key = parse_unseal_key(block("sealed.md", "bk-unseal"));
  EXPECT_EQ(write_unseal_key(key), block("sealed.md", "bk-unseal"));
  EXPECT_EQ(write_seal_key(key.sealing()), block("sealed.md", "bk-seal"));
  const std::string text = block("sealed.md", "bk-snapshot");
  const SnapshotRecord record = parse_snapshot(text);
  EXPECT_EQ(write_snapshot(record), text);
  EXPECT_EQ(record.seal, key.sealing().name());

  const std::optional<std::string> root =
      hpke_open(key.private_key, kSealedRootInfo, seal_binding(record), record.sealed_root);
  ASSERT_TRUE(root);
  const std::string node = bytes_of(block("sealed.md", "sealed-node"));
  EXPECT_EQ(chunk_id(ObjectKind::Tree, node), record.root.node);
  ObjectSealer sealer(key.identity);
  const ChunkId plain = ChunkId::from_bytes(*root);
  const std::string page = sealer.open(ObjectKind::Tree, plain, node);
  const std::vector<Entry> entries = decode_page(page);
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].name, kSealedRootName);
  EXPECT_EQ(sealer.seal(plain, sealed_node_front(NodeType::Page, node_refs(node)), page), node);

  const std::string chunk = bytes_of(block("sealed.md", "sealed-chunk"));
  EXPECT_EQ(node_refs(node).at(0).id, chunk_id(ObjectKind::Data, chunk));
  EXPECT_EQ(sealer.open(ObjectKind::Data, entries[0].content.at(0).id, chunk), "hello, world\n");
  const std::string words = read_file(std::string(BK_SOURCE_DIR) + "/docs/formats/sealed.md");
  for (const ChunkId& id : {plain, record.root.node, chunk_id(ObjectKind::Data, chunk)})
    EXPECT_NE(words.find(id.hex()), std::string::npos);
}

TEST(StoreFormat, AFileAsRootKeepsItsExtents) {
  SnapshotRecord record = parse_snapshot(block("snapshot.md", "bk-snapshot"));
  record.root = {};
  record.root.size = 30;
  record.root.content = {{Extent::Kind::Chunk, 10, Sha256::of("a"), {}},
                         {Extent::Kind::Hole, 10, {}, {}},
                         {Extent::Kind::Inline, 2, {}, std::string(" \0", 2)},
                         {Extent::Kind::List, 8, Sha256::of("b"), {}}};
  EXPECT_EQ(parse_snapshot(write_snapshot(record)).root, record.root);
}

TEST(StoreFormat, TheRemovalOnItsPageParsesAndNothingLikeIt) {
  const std::string text = block("snapshot.md", "bk-removal");
  const SnapshotMark mark = parse_mark(MarkKind::Removal, text);
  EXPECT_EQ(mark.reason, "asked for by the owner");
  EXPECT_EQ(write_mark(mark), text);
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_THROW((void)parse_mark(MarkKind::Removal, std::string_view(text).substr(0, size)), Error) << size;
  EXPECT_THROW((void)parse_mark(MarkKind::Hold, text), Error);
  for (const MarkKind kind : kMarkKinds) {
    SnapshotMark other = mark;
    other.kind = kind;
    other.by = other.reason = "";
    EXPECT_EQ(parse_mark(kind, write_mark(other)), other);
  }
}

TEST(StoreFormat, TheCheckpointOnItsPageParsesAndNothingLikeIt) {
  const std::string text = block("snapshot.md", "bk-checkpoint");
  const CheckpointRecord record = parse_checkpoint(text);
  EXPECT_EQ(record.name, "/srv/caf\xc3\xa9");
  EXPECT_TRUE(record.has_subdirectories);
  EXPECT_EQ(write_checkpoint(record), text);
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_THROW((void)parse_checkpoint(std::string_view(text).substr(0, size)), Error) << size;
  EXPECT_THROW((void)parse_checkpoint(block("snapshot.md", "bk-snapshot")), Error);
}

}  // namespace
}  // namespace bk::store
