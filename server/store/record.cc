#include "server/store/record.h"

#include "common/error/error.h"
#include "common/random/random.h"
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

std::string bytes_of(const RecordPlace& place) {
  return ByteWriter().raw(view(place.pack.store)).u64(place.pack.number).u64(place.offset).take();
}

ShortDigest digest_of_head(std::string_view fixed_and_table, const RecordPlace& place) {
  thread_local Sha256 hash;
  return shorten(hash.update(bytes_of(place)).update(fixed_and_table).finish());
}

// Which domain covers a record; none for marks and seals, which say nothing of what is stored.
const Domain* covering(const RecordHead& head, const RecordPlace& place) {
  return head.type == RecordType::Group ? place.pack.store.domain.get() : nullptr;
}

// Table and payload of one record have one key, so they differ in their nonces.
constexpr std::uint32_t kTableNonce = 1, kPayloadNonce = 2;

SecretKey record_key(const Domain& domain, const RecordHead& head, const RecordPlace& place) {
  return domain.record_key(place.pack.number, view(head.nonce));
}

std::string open_or_fail(const SecretKey& key, std::uint32_t nonce, const std::string& bound,
                         std::string_view sealed) {
  std::optional<std::string> plain = unseal(key, nonce, bound, sealed);
  if (!plain) ByteReader::fail("the key does not open the record");
  return *std::move(plain);
}

// The part of a head that is known before the payload is covered.
std::string front_of_head(const RecordHead& head, const Domain* domain) {
  ByteWriter out;
  out.raw(kRecordMagic).u8(static_cast<unsigned char>(head.type)).u8(static_cast<unsigned char>(head.codec));
  out.u8(static_cast<unsigned char>(domain != nullptr ? RecordCipher::Aes256Gcm : RecordCipher::None));
  out.u8(head.ids_omitted ? kFlagIdsOmitted : 0).u32(domain != nullptr ? domain->key_id() : 0);
  return out.u32(head.chunks.size()).take();
}

std::string write_table(const RecordHead& head) {
  ByteWriter out;
  if (head.type == RecordType::Seal)
    return out.varint(head.sealed_groups).raw(head.sealed_digest.view()).take();
  for (const StoredChunk& chunk : head.chunks)
    out.varint(std::uint64_t{chunk.bytes} << 2U | kKinds.find(static_cast<char>(chunk.kind)));
  if (head.ids_omitted) return out.take();
  for (const StoredChunk& chunk : head.chunks) out.raw(chunk.id.digest.view());
  return out.take();
}

void parse_chunks(ByteReader& in, std::uint32_t count, RecordHead& head) {
  if (count == 0 || count > kMaxGroupChunks || count > in.left()) ByteReader::fail("a bad number of chunks");
  head.chunks.resize(count);
  std::uint64_t sum = 0;
  for (StoredChunk& chunk : head.chunks) {
    const std::uint64_t word = in.varint(std::uint64_t{kMaxObjectBytes} << 2U | 3U);
    if ((word & 3U) == 3U || word >> 2U == 0) ByteReader::fail("a bad chunk in a group's table");
    chunk.kind = static_cast<ObjectKind>(kKinds[word & 3U]);
    chunk.bytes = static_cast<std::uint32_t>(word >> 2U);
    sum += chunk.bytes;
  }
  if (sum != head.content_bytes) ByteReader::fail("a group's chunks do not add up to its content");
  if (head.ids_omitted) return;
  for (StoredChunk& chunk : head.chunks) chunk.id = {in.digest()};
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
  if (sizes.table_bytes > kMaxTableBytes + kSealBytes || sizes.payload_bytes > kMaxPayloadBytes + kSealBytes)
    ByteReader::fail("a record exceeds its limits");
  return sizes;
}

std::string write_record_head(const RecordHead& head, const RecordPlace& place) {
  const Domain* const domain = covering(head, place);
  std::string table = write_table(head);
  ByteWriter out;
  out.raw(front_of_head(head, domain)).u32(table.size() + (domain != nullptr ? kSealBytes : 0));
  out.u32(head.payload_bytes).u32(head.content_bytes);
  out.u32(0).raw(view(head.nonce)).raw(view(head.payload_digest));
  if (domain != nullptr)
    table = seal(record_key(*domain, head, place), kTableNonce, bytes_of(place) + out.bytes(), table);
  out.raw(table);
  const ShortDigest digest = digest_of_head(out.bytes(), place);
  return out.raw(view(digest)).take();
}

std::string_view cover_payload(RecordHead& head, std::string_view payload, const RecordPlace& place,
                               std::string& buffer) {
  if (const Domain* const domain = covering(head, place)) {
    const std::string nonce = SystemRandom().bytes(head.nonce.size());
    std::memcpy(head.nonce.data(), nonce.data(), head.nonce.size());
    buffer = seal(record_key(*domain, head, place), kPayloadNonce,
                  bytes_of(place) + front_of_head(head, domain), payload);
    payload = buffer;
  }
  head.payload_bytes = static_cast<std::uint32_t>(payload.size());
  head.payload_digest = shorten(Sha256::of(payload));
  return payload;
}

void uncover_payload(const RecordHead& head, const RecordPlace& place, std::string& payload) {
  const Domain* const domain = covering(head, place);
  if (domain == nullptr) return;
  payload = open_or_fail(record_key(*domain, head, place), kPayloadNonce,
                         bytes_of(place) + front_of_head(head, domain), payload);
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
  const std::uint8_t cipher = in.u8();
  if (cipher > 1) ByteReader::fail("an unknown cipher");
  const std::uint8_t flags = in.u8();
  if ((flags & ~kFlagIdsOmitted) != 0) ByteReader::fail("an unknown flag");
  head.ids_omitted = (flags & kFlagIdsOmitted) != 0;
  const std::uint64_t key_id = in.u32();
  const std::uint32_t count = in.u32();
  (void)in.u32();
  head.payload_bytes = in.u32();
  head.content_bytes = in.u32();
  if (head.content_bytes > kMaxGroupContent) ByteReader::fail("a group's content exceeds its limit");
  if (in.u32() != 0) ByteReader::fail("a record uses room that this version keeps free");
  std::memcpy(head.nonce.data(), in.raw(16).data(), 16);
  std::memcpy(head.payload_digest.data(), in.raw(16).data(), 16);
  const Domain* const domain = covering(head, place);
  if (cipher != (domain != nullptr ? 1 : 0))
    ByteReader::fail("a group is not covered as this store's groups are");
  if (key_id != (domain != nullptr ? domain->key_id() : 0)) ByteReader::fail("a record of another key");
  if (domain == nullptr && head.nonce != decltype(head.nonce){})
    ByteReader::fail("a record without cipher has a nonce");
  const std::string_view table = in.raw(sizes.table_bytes);
  if (domain == nullptr) {
    parse_table(table, count, head);
  } else {
    const std::string bound = bytes_of(place) + std::string(bytes.substr(0, kRecordFixedBytes));
    parse_table(open_or_fail(record_key(*domain, head, place), kTableNonce, bound, table), count, head);
  }
  return head;
}

std::string_view head_digest(std::string_view head) { return head.substr(head.size() - kRecordDigestBytes); }

void for_each_chunk(const RecordHead& head, const StoreId& store, std::string_view content,
                    const std::function<void(std::size_t, const StoredChunk&, std::string_view)>& sink) {
  std::vector<ObjectContent> pieces;
  pieces.reserve(head.chunks.size());
  for (std::size_t at = 0; const StoredChunk& chunk : head.chunks) {
    pieces.push_back({chunk.kind, content.substr(at, chunk.bytes)});
    at += chunk.bytes;
  }
  const std::vector<ChunkId> ids = chunk_ids(pieces);
  for (std::size_t i = 0; i < head.chunks.size(); ++i) {
    StoredChunk chunk = head.chunks[i];
    const StoredId id = store.stored(ids[i]);
    if (!head.ids_omitted && id != chunk.id) ByteReader::fail("a chunk's content differs from its identity");
    chunk.id = id;
    sink(i, chunk, pieces[i].content);
  }
}

}  // namespace bk::store
