#include "server/store/scan.h"

#include "common/error/error.h"
#include "server/store/bytes.h"

#include <cstring>

namespace bk::store {
std::string read_exactly(ObjectReader& in, std::uint64_t offset, std::size_t bytes) {
  std::string out(bytes, '\0');
  if (in.read(offset, out.data(), bytes) != bytes) ByteReader::fail("the file ends too early");
  return out;
}

PackScan::PackScan(ObjectReader& in, const PackRef& pack, std::uint64_t offset)
    : in_(in), pack_(pack), offset_(offset) {}

ScannedRecord PackScan::read_record(std::uint64_t offset, bool check_payload) {
  std::string head = read_exactly(in_, offset, kRecordFixedBytes);
  const RecordSizes sizes = parse_record_sizes(head);
  head += read_exactly(in_, offset + kRecordFixedBytes, sizes.head_bytes() - kRecordFixedBytes);
  ScannedRecord out{offset, offset + sizes.all_bytes(), parse_record_head(head, {pack_, offset}),
                    std::string(head_digest(head)), pack_};
  if (out.end > in_.size()) ByteReader::fail("the file ends too early");
  if (check_payload && sizes.payload_bytes > 0) {
    payload_.resize(sizes.payload_bytes);
    if (in_.read(offset + sizes.head_bytes(), payload_.data(), payload_.size()) != payload_.size())
      ByteReader::fail("the file ends too early");
    if (shorten(Sha256::of(payload_)) != out.head.payload_digest)
      ByteReader::fail("a record's payload does not match its digest");
  }
  return out;
}

std::optional<ScannedRecord> PackScan::next(bool check_payload) {
  reason_.clear();
  if (in_.size() == offset_) return std::nullopt;
  try {
    ScannedRecord record = read_record(offset_, check_payload);
    offset_ = record.end;
    return record;
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
    reason_ = error.what();
    return std::nullopt;
  }
}

bool PackScan::is_valid(std::uint64_t offset) {
  try {
    (void)read_record(offset, true);
    return true;
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
    return false;
  }
}

// A journal grows while it is read.  What is there behind a record was written after it: a record that was
// only in the making is whole by then, and is not passed over.
bool PackScan::skip_to_next() {
  constexpr std::size_t kWindow = 1U << 20U;
  constexpr std::string_view kMagic = "BKR1";
  std::string window(kWindow, '\0');
  for (std::uint64_t at = offset_ + 1;;) {
    const std::size_t got = in_.read(at, window.data(), kWindow);
    const std::string_view bytes(window.data(), got);
    for (std::size_t i = bytes.find(kMagic); i != std::string_view::npos; i = bytes.find(kMagic, i + 1)) {
      if (!is_valid(at + i)) continue;
      if (!is_valid(offset_)) offset_ = at + i;
      return true;
    }
    if (got < kWindow) return false;
    at += kWindow - (kMagic.size() - 1);
  }
}

std::vector<StoredChunk> chunks_of(ObjectReader& in, const ScannedRecord& record, GroupDecoder& decoder) {
  if (!record.head.ids_omitted) return record.head.chunks;
  std::string payload = read_exactly(in, record.end - record.head.payload_bytes, record.head.payload_bytes);
  uncover_payload(record.head, {record.pack, record.offset}, payload);
  const std::string content = decoder.decode(record.head.codec, payload, record.head.content_bytes);
  std::vector<StoredChunk> out;
  out.reserve(record.head.chunks.size());
  for_each_chunk(record.head, record.pack.store, content,
                 [&](std::size_t, const StoredChunk& chunk, std::string_view) { out.push_back(chunk); });
  return out;
}

}  // namespace bk::store
