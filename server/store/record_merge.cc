#include "server/store/record_merge.h"

#include "common/digest/sha256.h"
#include "common/io/file.h"
#include "server/store/bad_sectors.h"
#include "server/store/scan.h"

#include <algorithm>

namespace bk::store {
namespace {

class Merge {
 public:
  Merge(ObjectReader& own, ObjectReader& other, const PackRef& pack, int into)
      : own_(own), other_(other), pack_(pack), into_(into) {}

  bool run(MergeEnd end) {
    write_all(into_, write_pack_header(pack_));
    PackScan scan(own_, pack_);
    bool damaged = false;
    for (;;) {
      while (const std::optional<ScannedRecord> record = scan.next(true)) take(own_, *record);
      if (scan.reason().empty()) break;
      damaged = true;
      const std::uint64_t from = scan.offset();
      const bool more = scan.skip_to_next();
      if (!fill(from, more ? scan.offset() : UINT64_MAX)) return false;
      if (!more) break;
    }
    if (!damaged || end == MergeEnd::Open) return damaged;
    // The end that is missing might have been longer than what the other one knows.
    if (!sealed_ && open_end_) return false;
    if (!sealed_) seal();
    return true;
  }

 private:
  bool fill(std::uint64_t from, std::uint64_t to) {
    PackScan scan(other_, pack_, from);
    while (scan.offset() < to) {
      const std::optional<ScannedRecord> record = scan.next(true);
      if (!record) return open_end_ = to == UINT64_MAX;
      if (record->end > to) return false;
      take(other_, *record);
    }
    return true;
  }

  void take(ObjectReader& in, const ScannedRecord& record) {
    constexpr std::uint64_t kPiece = 1U << 20U;
    for (std::uint64_t at = record.offset; at < record.end; at += kPiece)
      write_all(into_, read_exactly(in, at, std::min(kPiece, record.end - at)));
    end_ = record.end;
    sealed_ = record.head.type == RecordType::Seal;
    if (record.head.type == RecordType::Group) ++groups_;
    if (!sealed_) digests_.update(record.digest);
  }

  void seal() {
    RecordHead head;
    head.type = RecordType::Seal;
    head.sealed_groups = groups_;
    head.sealed_digest = digests_.finish();
    write_all(into_, write_record_head(head, {pack_, end_}));
  }

  ObjectReader& own_;
  ObjectReader& other_;
  PackRef pack_;
  int into_;
  std::uint64_t end_ = kPackHeaderBytes, groups_ = 0;
  Sha256 digests_;  // over the head digests so far
  bool sealed_ = false, open_end_ = false;
};

}  // namespace

bool merge_records(ObjectReader& own, ObjectReader& other, const PackRef& pack, MergeEnd end, int into) {
  BadSectors bad, bad_there;
  PatientReader mine(own, bad), theirs(other, bad_there);
  return Merge(mine, theirs, pack, into).run(end);
}

}  // namespace bk::store
