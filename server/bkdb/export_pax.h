// One snapshot, or parts of it, as entries of a pax archive.
//
// A stream cannot take back what it said: a file whose stored bytes are damaged is filled with zeros to its
// length and named.  Sockets, which a tar cannot hold, are named and left out.
#pragma once

#include "common/archive/pax_writer.h"
#include "server/bkdb/damage.h"
#include "server/store/store.h"

#include <string>
#include <vector>

namespace bk::bkdb {

// Everything stands below `entry`/ (or is `entry`, for an archive file).  Returns the parts that the snapshot
// does not have.
std::vector<std::string> export_pax(store::Store& store, const store::SnapshotRecord& snapshot,
                                    const std::string& entry, const std::vector<std::string>& parts,
                                    PaxWriter& pax, Findings& findings);

}  // namespace bk::bkdb
