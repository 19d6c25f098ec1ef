// The listing of one directory: the records that its digest is computed over.
//
// A record is what can be known of an entry without opening it.  The digest of a directory is SHA-256 over
// the records of all its entries in name order; equal digests mean that no entry was added, removed, renamed,
// changed or replaced (inode and ctime are inside).  Of a subdirectory only name and type count: its own
// listing speaks for it.
#pragma once

#include "common/tree/entry.h"
#include "proto/pull/payload.h"

#include <string>
#include <string_view>

namespace bk::pull {

// Appends the record of `entry` (name, type and, unless it is a directory, stat and device numbers).
void append_record(PayloadWriter& out, const Entry& entry);

// Reads the records back, in order.
class ListingReader {
 public:
  explicit ListingReader(std::string_view records) : in_(records, "listing") {}
  [[nodiscard]] bool at_end() const { return in_.at_end(); }
  [[nodiscard]] Entry next();

 private:
  PayloadReader in_;
};

}  // namespace bk::pull
