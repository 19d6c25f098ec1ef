// Module dataverse: the files of a Dataverse as a tree of the spool.
//
//   files/<label>/<authority>/<identifier>/<name>     as in the store, checked; <name>.orig beside tables
//   files.jsonl      a line for each file, by id: which dataset and store, checksum, status and why
//
// A file that is OK is not read again; one that is not is tried by every run.  What Dataverse does not list
// any more leaves the tree.  status.db of the slot holds a row for each file; files are durable before their
// rows.
#pragma once

#include "client/modules/dataverse_config.h"
#include "client/modules/mirror.h"
#include "common/time/time.h"

#include <cstdint>
#include <string>
#include <vector>

namespace bk::client {

struct DataverseReport {
  std::uint64_t listed = 0, already = 0, succeeded = 0, failed = 0, elsewhere = 0, gone = 0, bytes = 0;
  std::vector<std::string> failures;  // "FAIL_READ <percent storage identifier>": some
  std::vector<std::string> reasons;   // one line each, for people: some
  // "10 files processed; 3 skipped (already backed up), 6 success, 1 failed"
  [[nodiscard]] std::string text() const;
};

// `rerun`: what is OK must also lie in the tree as long as it was.  Throws what keeps the rest from being
// looked at, too (the database, a full disk); what was done until then is kept.
[[nodiscard]] DataverseReport save_dataverse(const DataverseSource& source, const Mirror& mirror,
                                             const Clock& clock, bool rerun);

}  // namespace bk::client
