// Packs and their records, as bytes (docs/formats/store.md).  Pure.
//
//   pack   = pack header, record, record, ...
//   record = fixed head (64), table, head digest (16), payload
//
// A head's digest also covers the store's id, the pack's number and the record's offset, so a record that
// stands in a wrong place is not believed.
#pragma once

#include "common/chunk/chunk_id.h"
#include "common/compress/group.h"
#include "server/store/domain.h"
#include "server/store/store.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bk::store {

using ShortDigest = std::array<std::uint8_t, 16>;  // the first half of a SHA-256
[[nodiscard]] ShortDigest shorten(const Digest& digest);

inline constexpr std::size_t kPackHeaderBytes = 64;
inline constexpr std::size_t kRecordFixedBytes = 64;
inline constexpr std::size_t kRecordDigestBytes = 16;
inline constexpr std::uint32_t kMaxGroupChunks = 65535;
inline constexpr std::uint32_t kMaxTableBytes = kMaxGroupChunks * 36;       // as plain bytes
inline constexpr std::uint32_t kMaxPayloadBytes = kMaxGroupContent + 4096;  // the same
inline constexpr std::uint64_t kMaxPackBytes = 1U << 30U;

// Which record of which pack.
struct PackRef {
  StoreId store{};
  std::uint64_t number = 0;
};
struct RecordPlace {
  PackRef pack;
  std::uint64_t offset = 0;
};

[[nodiscard]] std::string write_pack_header(const PackRef& pack);
// Throws Corrupt for anything but the header of that very pack.
void check_pack_header(std::string_view bytes, const PackRef& pack);

enum class RecordType : unsigned char {
  Group = 'G',  // chunks
  Mark = 'M',   // everything before it was synced when it was written
  Seal = 'S',   // the last record of a finished pack
};

// How groups of the store's domain are covered.
enum class RecordCipher : unsigned char { None = 0, Aes256Gcm = 1 };

// A chunk as a group's table names it.
struct StoredChunk {
  StoredId id;
  ObjectKind kind = ObjectKind::Data;
  std::uint32_t bytes = 0;  // content length
};

struct RecordHead {
  RecordType type = RecordType::Group;
  Codec codec = Codec::Raw;
  std::array<char, 16> nonce{};  // random in a covered group, from cover_payload(); zeros otherwise
  bool ids_omitted = false;      // the ids follow from the content
  std::uint32_t payload_bytes = 0, content_bytes = 0;
  ShortDigest payload_digest{};
  std::vector<StoredChunk> chunks;  // in content order; ids are zero when omitted
  // Seal: what precedes it.
  std::uint64_t sealed_groups = 0;
  Digest sealed_digest{};  // over the head digests of all records before, in order
};

// The sizes in a fixed head, checked against the limits; throws Corrupt.
struct RecordSizes {
  std::uint32_t table_bytes = 0, payload_bytes = 0;
  [[nodiscard]] std::size_t head_bytes() const {
    return kRecordFixedBytes + table_bytes + kRecordDigestBytes;
  }
  [[nodiscard]] std::uint64_t all_bytes() const { return head_bytes() + std::uint64_t{payload_bytes}; }
};
[[nodiscard]] RecordSizes parse_record_sizes(std::string_view fixed);

// What comes first: sets nonce, payload bytes and digest; the payload as it is written, in `buffer` when the
// store's domain covers it.
[[nodiscard]] std::string_view cover_payload(RecordHead& head, std::string_view payload,
                                             const RecordPlace& place, std::string& buffer);
// The table is covered as the store's domain wants it.
[[nodiscard]] std::string write_record_head(const RecordHead& head, const RecordPlace& place);
// A payload as it was before it was covered; throws Corrupt when the key does not open it.
void uncover_payload(const RecordHead& head, const RecordPlace& place, std::string& payload);
// `bytes` is exactly fixed head, table and digest; throws Corrupt, also for a group that is not covered as
// the store's domain wants it, or not by this record of this pack with this key.
[[nodiscard]] RecordHead parse_record_head(std::string_view bytes, const RecordPlace& place);
// The digest at the end of a whole head.
[[nodiscard]] std::string_view head_digest(std::string_view head);

// Splits a decoded group: calls sink(position, ref, content) for every chunk, ids filled in.  Ids that the
// table states are compared with the content; a difference throws Corrupt.
void for_each_chunk(const RecordHead& head, const StoreId& store, std::string_view content,
                    const std::function<void(std::size_t, const StoredChunk&, std::string_view)>& sink);

}  // namespace bk::store
