// Walks the records of a pack or journal file.
#pragma once

#include "common/storage/storage.h"
#include "server/store/record.h"

#include <cstdint>
#include <optional>
#include <string>

namespace bk::store {

struct ScannedRecord {
  std::uint64_t offset = 0, end = 0;
  RecordHead head;
  std::string digest;  // the head digest
  PackRef pack{};      // where it stands
};

// Reads from what stays the caller's.  Throws Io when the disk cannot be read; bytes that are
// not a record are an answer, not an exception.
class PackScan {
 public:
  PackScan(ObjectReader& in, const PackRef& pack, std::uint64_t offset = kPackHeaderBytes);
  // The record at offset(), or nothing: at the end of the file (reason() is empty) or where no whole, valid
  // record stands (reason() says why; offset() stays there).
  [[nodiscard]] std::optional<ScannedRecord> next(bool check_payload);
  // After next() stopped: moves on to the next place where a valid record begins; false when there is none.
  // Stays where it is when the record there became whole meanwhile: a journal's writer was at it.
  [[nodiscard]] bool skip_to_next();
  // Of the record that next(true) gave last; the caller may change it.
  [[nodiscard]] std::string& payload() { return payload_; }
  [[nodiscard]] std::uint64_t offset() const { return offset_; }
  [[nodiscard]] const std::string& reason() const { return reason_; }

 private:
  [[nodiscard]] ScannedRecord read_record(std::uint64_t offset, bool check_payload);
  [[nodiscard]] bool is_valid(std::uint64_t offset);
  ObjectReader& in_;
  PackRef pack_;
  std::uint64_t offset_;
  std::string reason_, payload_;
};

// The ids of a group's chunks, decoding it when its table omits them.  Throws Corrupt.
[[nodiscard]] std::vector<StoredChunk> chunks_of(ObjectReader& in, const ScannedRecord& record,
                                                 GroupDecoder& decoder);
// Throws Corrupt when there are fewer.
[[nodiscard]] std::string read_exactly(ObjectReader& in, std::uint64_t offset, std::size_t bytes);

}  // namespace bk::store
