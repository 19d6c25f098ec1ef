// What module dataverse saved, given back to the stores of a Dataverse.
#pragma once

#include "client/modules/dataverse_config.h"
#include "common/time/time.h"

#include <cstdint>
#include <string>
#include <vector>

namespace bk::client {

struct DataverseRestored {
  std::uint64_t put = 0, there = 0, failed = 0;  // there: with that content already
  std::vector<std::string> failures;             // one line each, for people: some
};

// Puts each content of `tree` (what save_dataverse() made) where `source` says that its label's store is, as
// <authority>/<identifier>/<name>, after it was compared with its checksum.  What is there with another
// content is never overwritten, and counts as failed.  Files are durable when it returns, new ones have mode
// 0644 and belong to who runs this.  Throws what keeps the rest from being tried, too.
[[nodiscard]] DataverseRestored restore_dataverse(const DataverseSource& source, const std::string& tree,
                                                  const Clock& clock);

}  // namespace bk::client
