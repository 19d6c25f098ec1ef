// One snapshot, or parts of it, recreated on the local file system.
#pragma once

#include "common/restore/report.h"
#include "server/bkdb/damage.h"
#include "server/store/store.h"

#include <string>
#include <vector>

namespace bk::bkdb {

struct TreeExport {
  int destination_fd = -1;         // an open directory; `entry` exists in it only with `goes_on`
  std::string destination;         // its path, for messages
  std::string entry;               // the name of the tree's root, or of the archive file
  std::vector<std::string> parts;  // clean relative paths; empty: everything
  bool goes_on = false;            // an earlier export of it was cut (RestoreOptions)
};

// Writes; nothing is synced.  Returns the parts that the snapshot does not have.  What the system refused of
// metadata is added to `report`, damage and flagged files to `findings`.
std::vector<std::string> export_tree(store::Store& store, const store::SnapshotRecord& snapshot,
                                     const TreeExport& task, RestoreReport& report, Findings& findings);

}  // namespace bk::bkdb
