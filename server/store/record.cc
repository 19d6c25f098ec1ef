#include "server/store/record.h"

#include "common/error/error.h"
#include "server/store/bytes.h"

#include <algorithm>
#include <cstring>

namespace bk::store {
namespace {

constexpr std::string_view kPackMagic = "BKPACK01";
constexpr std::string_view kRecordMagic = "BKR1";
constexpr unsigned kFlagIdsOmitted = 1;
constexpr std::string_view kKinds = "DLT";  // two bits in the table

std::string_view view(const auto& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

ShortDigest digest_of_head(std::string_view fixed_and_table, const RecordPlace& place) {
  ByteWriter where;
  where.raw(view(place.pack.store)).u64(place.pack.number).u64(place.offset);
  thread_local Sha256 hash;
  return shorten(hash.update(where.bytes()).update(fixed_and_table).finish());
}

std::string write_table(const RecordHead& head) {
  ByteWriter out;
  if (head.type == RecordType::Seal)
    return out.varint(head.sealed_groups).raw(head.sealed_digest.view()).take();
  for (const ChunkRef& chunk : head.chunks)
    out.varint(std::uint64_t{chunk.bytes} << 2U | kKinds.find(static_cast<char>(chunk.kind)));
  if (head.ids_omitted) return out.take();
  for (const ChunkRef& chunk : head.chunks) out.raw(chunk.id.view());
  return out.take();
}

void parse_chunks(ByteReader& in, std::uint32_t count, RecordHead& head) {
  if (count == 0 || count > kMaxGroupChunks || count > in.left()) ByteReader::fail("a bad number of chunks");
  head.chunks.resize(count);
  std::uint64_t sum = 0;
  for (ChunkRef& chunk : head.chunks) {
    const std::uint64_t word = in.varint(std::uint64_t{kMaxObjectBytes} << 2U | 3U);
    if ((word & 3U) == 3U || word >> 2U == 0) ByteReader::fail("a bad chunk in a group's table");
    chunk.kind = static_cast<ObjectKind>(kKinds[word & 3U]);
    chunk.bytes = static_cast<std::uint32_t>(word >> 2U);
    sum += chunk.bytes;
  }
  if (sum != head.content_bytes) ByteReader::fail("a group's chunks do not add up to its content");
  if (head.ids_omitted) return;
  for (ChunkRef& chunk : head.chunks) chunk.id = in.digest();
}

void parse_table(std::string_view table, std::uint32_t count, RecordHead& head) {
  ByteReader in(table);
  if (head.type == RecordType::Group) {
    parse_chunks(in, count, head);
  } else {
    if (count != 0 || head.payload_bytes != 0 || head.content_bytes != 0)
      ByteReader::fail("a mark or seal with content");
    if (head.type == RecordType::Seal) {
      head.sealed_groups = in.varint();
      head.sealed_digest = in.digest();
    }
  }
  in.expect_end();
}

}  // namespace

ShortDigest shorten(const Digest& digest) {
  ShortDigest out;
  std::copy_n(digest.bytes.begin(), out.size(), out.begin());
  return out;
}

std::string write_pack_header(const PackRef& pack) {
  ByteWriter out;
  out.raw(kPackMagic).raw(view(pack.store)).u64(pack.number).raw(std::string(16, '\0'));
  out.raw(view(shorten(Sha256::of(out.bytes()))));
  BK_CHECK(out.size() == kPackHeaderBytes);
  return out.take();
}

void check_pack_header(std::string_view bytes, const PackRef& pack) {
  if (bytes != write_pack_header(pack))
    ByteReader::fail("the pack's header is not that of this store and pack");
}

RecordSizes parse_record_sizes(std::string_view fixed) {
  ByteReader in(fixed);
  if (in.raw(4) != kRecordMagic) ByteReader::fail("no record begins here");
  (void)in.raw(12);
  const RecordSizes sizes{in.u32(), in.u32()};
  if (sizes.table_bytes > kMaxTableBytes || sizes.payload_bytes > kMaxPayloadBytes)
    ByteReader::fail("a record exceeds its limits");
  return sizes;
}

std::string write_record_head(const RecordHead& head, const RecordPlace& place) {
  const std::string table = write_table(head);
  ByteWriter out;
  out.raw(kRecordMagic).u8(static_cast<unsigned char>(head.type)).u8(static_cast<unsigned char>(head.codec));
  out.u8(0).u8(head.ids_omitted ? kFlagIdsOmitted : 0);  // cipher 0: plain
  out.u32(0).u32(head.chunks.size()).u32(table.size()).u32(head.payload_bytes).u32(head.content_bytes);
  out.u32(0).raw(std::string(16, '\0')).raw(view(head.payload_digest)).raw(table);
  const ShortDigest digest = digest_of_head(out.bytes(), place);
  return out.raw(view(digest)).take();
}

RecordHead parse_record_head(std::string_view bytes, const RecordPlace& place) {
  const RecordSizes sizes = parse_record_sizes(bytes);
  if (bytes.size() != sizes.head_bytes()) ByteReader::fail("a record's head has another length");
  const std::string_view covered = bytes.substr(0, bytes.size() - kRecordDigestBytes);
  if (view(digest_of_head(covered, place)) != head_digest(bytes))
    ByteReader::fail("a record's head does not match its digest");
  ByteReader in(covered);
  (void)in.raw(4);
  RecordHead head;
  const std::uint8_t type = in.u8();
  if (type != 'G' && type != 'M' && type != 'S') ByteReader::fail("an unknown type of record");
  head.type = static_cast<RecordType>(type);
  const std::uint8_t codec = in.u8();
  if (codec > 1) ByteReader::fail("an unknown codec");
  head.codec = static_cast<Codec>(codec);
  if (in.u8() != 0) ByteReader::fail("an unknown cipher");
  const std::uint8_t flags = in.u8();
  if ((flags & ~kFlagIdsOmitted) != 0) ByteReader::fail("an unknown flag");
  head.ids_omitted = (flags & kFlagIdsOmitted) != 0;
  (void)in.u32();  // key id
  const std::uint32_t count = in.u32();
  (void)in.u32();
  head.payload_bytes = in.u32();
  head.content_bytes = in.u32();
  if (head.content_bytes > kMaxGroupContent) ByteReader::fail("a group's content exceeds its limit");
  (void)in.raw(20);  // reserved, nonce
  std::memcpy(head.payload_digest.data(), in.raw(16).data(), 16);
  parse_table(in.raw(sizes.table_bytes), count, head);
  return head;
}

std::string_view head_digest(std::string_view head) { return head.substr(head.size() - kRecordDigestBytes); }

void for_each_chunk(const RecordHead& head, std::string_view content,
                    const std::function<void(std::size_t, const ChunkRef&, std::string_view)>& sink) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < head.chunks.size(); ++i) {
    ChunkRef chunk = head.chunks[i];
    const std::string_view piece = content.substr(at, chunk.bytes);
    const ChunkId id = chunk_id(chunk.kind, piece);
    if (!head.ids_omitted && id != chunk.id) ByteReader::fail("a chunk's content differs from its identity");
    chunk.id = id;
    sink(i, chunk, piece);
    at += chunk.bytes;
  }
}

}  // namespace bk::store
