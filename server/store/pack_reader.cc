#include "server/store/pack_reader.h"

#include "common/error/error.h"
#include "common/storage/folder_storage.h"
#include "server/store/bad_sectors.h"
#include "server/store/bytes.h"
#include "server/store/scan.h"

#include <algorithm>

namespace bk::store {
namespace {

constexpr std::size_t kCacheBytes = 24U << 20U;  // about 24 ordinary groups
constexpr std::size_t kLargestSpare = 2U << 20U;
constexpr std::size_t kOpenFiles = 64;
constexpr std::uint32_t kBulkPayload = 64U << 10U;
constexpr std::size_t kWholeGroup = kMaxGroupChunks;

std::string place(std::uint64_t pack, std::uint32_t offset) {
  return shown_pack(pack) + " offset " + std::to_string(offset);
}

}  // namespace

ObjectReader& PackReader::open(std::uint64_t number) {
  const auto known =
      std::find_if(files_.begin(), files_.end(), [&](const auto& file) { return file.first == number; });
  if (known != files_.end()) {
    files_.splice(files_.begin(), files_, known);
    return *files_.front().second;
  }
  // Where both stand (journal.h), the pack has all.  A journal may become a pack between two looks, never the
  // other way round.
  std::unique_ptr<ObjectReader> file = layout_.storage->open(Layout::pack_object(number));
  if (!file) file = open_reader(layout_.journal(number));
  if (!file) file = layout_.storage->open(Layout::pack_object(number));
  if (!file) throw Error(Kind::Corrupt, shown_pack(number) + " is missing");
  if (files_.size() >= kOpenFiles) files_.pop_back();
  files_.emplace_front(number, std::move(file));
  return *files_.front().second;
}

void PackReader::forget(std::uint64_t number) {
  std::erase_if(files_, [&](const auto& file) { return file.first == number; });
  for (auto it = cached_.lower_bound({number, 0}); it != cached_.end() && it->first.first == number;) {
    cached_bytes_ -= it->second->group.content.size();
    cache_.erase(it->second);
    it = cached_.erase(it);
  }
}

RecordHead PackReader::read(std::uint64_t pack, std::uint32_t offset, std::string& payload) {
  ObjectReader& in = open(pack);
  std::uint64_t payload_at = 0;
  RecordHead out = read_head(in, pack, offset, payload_at);
  if (out.payload_bytes < kBulkPayload || out.chunks.front().kind != ObjectKind::Data) {
    payload = read_exactly(in, payload_at, out.payload_bytes);
    return out;
  }
  payload.resize(out.payload_bytes);
  if (in.read_in_passing(payload_at, payload.data(), payload.size()) != payload.size())
    ByteReader::fail("the file ends too early");
  return out;
}

RecordHead PackReader::read_head(ObjectReader& in, std::uint64_t pack, std::uint32_t offset,
                                 std::uint64_t& payload_at) {
  std::string head = read_exactly(in, offset, kRecordFixedBytes);
  const RecordSizes sizes = parse_record_sizes(head);
  head += read_exactly(in, offset + kRecordFixedBytes, sizes.head_bytes() - kRecordFixedBytes);
  RecordHead out = parse_record_head(head, {{store_, pack}, offset});
  if (out.type != RecordType::Group) ByteReader::fail("no group stands here");
  payload_at = offset + sizes.head_bytes();
  return out;
}

std::vector<StoredChunk> PackReader::chunks(std::uint64_t pack, std::uint32_t offset) {
  ObjectReader& in = open(pack);
  ScannedRecord record;
  record.offset = offset;
  record.pack = {store_, pack};
  std::uint64_t payload_at = 0;
  record.head = read_head(in, pack, offset, payload_at);
  record.end = payload_at + record.head.payload_bytes;
  return chunks_of(in, record, decoder_);
}

std::vector<std::uint32_t> PackReader::lengths(std::uint64_t pack, std::uint32_t offset) {
  std::uint64_t payload_at = 0;
  std::vector<std::uint32_t> out;
  for (const StoredChunk& chunk : read_head(open(pack), pack, offset, payload_at).chunks)
    out.push_back(chunk.bytes);
  return out;
}

DecodedGroup PackReader::load(std::uint64_t pack, std::uint32_t offset, std::size_t last) {
  DecodedGroup out;
  out.head = read(pack, offset, payload_);
  uncover_payload(out.head, {{store_, pack}, offset}, payload_);
  std::uint32_t begin = 0;
  for (const StoredChunk& chunk : out.head.chunks) {
    out.begins.push_back(begin);
    begin += chunk.bytes;
  }
  if (last + 1 >= out.begins.size()) {
    out.content = decoder_.decode(out.head.codec, payload_, out.head.content_bytes, std::move(spare_));
  } else {
    out.content = decoder_.decode_front(out.head.codec, payload_, out.head.content_bytes,
                                        out.begins[last + 1], std::move(spare_));
  }
  spare_.clear();
  return out;
}

StoredGroup PackReader::encoded(std::uint64_t pack, std::uint32_t offset, bool check) {
  try {
    StoredGroup out;
    const RecordHead head = read(pack, offset, out.encoded.bytes);
    if (check && shorten(Sha256::of(out.encoded.bytes)) != head.payload_digest)
      ByteReader::fail("the payload differs from its digest");
    uncover_payload(head, {{store_, pack}, offset}, out.encoded.bytes);
    out.encoded.codec = head.codec;
    out.encoded.content_bytes = head.content_bytes;
    for (const StoredChunk& chunk : head.chunks) {
      out.lengths.push_back(chunk.bytes);
      out.kinds.push_back(chunk.kind);
    }
    return out;
  } catch (Error& error) {
    error.add_context("reading the group at " + place(pack, offset));
    throw;
  }
}

void PackReader::trim() {
  while (cached_bytes_ > kCacheBytes && cache_.size() > 1) {
    cached_bytes_ -= cache_.back().group.content.size();
    cached_.erase(cache_.back().key);
    std::string& content = cache_.back().group.content;
    if (content.capacity() <= kLargestSpare) spare_ = std::move(content);
    cache_.pop_back();
  }
}

const DecodedGroup& PackReader::remember(const GroupKey& key, DecodedGroup group) {
  cached_bytes_ += group.content.size();
  cache_.push_front({key, std::move(group)});
  cached_[key] = cache_.begin();
  trim();
  return cache_.front().group;
}

const DecodedGroup& PackReader::group(std::uint64_t pack, std::uint32_t offset, std::size_t position) {
  const GroupKey key{pack, offset};
  if (const auto hit = cached_.find(key); hit != cached_.end()) {
    const DecodedGroup& found = hit->second->group;
    const bool whole = found.content.size() == found.head.content_bytes;
    if (whole || (position + 1 < found.begins.size() && found.begins[position + 1] <= found.content.size())) {
      cache_.splice(cache_.begin(), cache_, hit->second);
      return cache_.front().group;
    }
    cached_bytes_ -= found.content.size();
    cache_.erase(hit->second);
    cached_.erase(hit);
  }
  return remember(key, load(pack, offset, kWholeGroup));
}

void PackReader::prepare(const Location& where, std::uint16_t last) {
  const GroupKey key{where.pack, where.offset};
  if (cached_.contains(key)) return;
  try {
    remember(key, load(where.pack, where.offset, last));
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt && error.kind() != Kind::NotFound && !is_media_error(error)) throw;
  }
}

std::string_view PackReader::content_at(const Location& where, ObjectKind kind) {
  const DecodedGroup& found = group(where.pack, where.offset, where.position);
  if (where.position >= found.head.chunks.size()) ByteReader::fail("the group has fewer chunks");
  const StoredChunk& chunk = found.head.chunks[where.position];
  if (chunk.kind != kind) ByteReader::fail("the content differs from its identity");
  return std::string_view(found.content).substr(found.begins[where.position], chunk.bytes);
}

std::string_view PackReader::chunk(const Location& where, ObjectKind kind, const ChunkId& id) {
  try {
    const std::string_view content = content_at(where, kind);
    if (chunk_id(kind, content) != id) ByteReader::fail("the content differs from its identity");
    return content;
  } catch (Error& error) {
    error.add_context("reading chunk " + id.hex() + " at " + place(where.pack, where.offset));
    throw;
  }
}

std::string_view PackReader::chunk(const Location& where, ObjectKind kind, const StoredId& id) {
  try {
    const std::string_view content = content_at(where, kind);
    if (store_.stored(chunk_id(kind, content)) != id)
      ByteReader::fail("the content differs from its identity");
    return content;
  } catch (Error& error) {
    error.add_context("reading chunk " + id.digest.hex() + " at " + place(where.pack, where.offset));
    throw;
  }
}

}  // namespace bk::store
