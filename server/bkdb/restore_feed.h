// Reads a snapshot, or parts of it, for whoever writes it somewhere: the local file system or a stream to a
// client.
//
// The walk gathers a window of entries and the chunks that their files need; then the groups that hold them
// are read in the order of the disk, each once (common/restore/sink.h).  Memory: one window.  A file whose
// stored bytes are damaged is named and left out; the rest goes on.
#pragma once

#include "common/restore/sink.h"
#include "server/bkdb/damage.h"
#include "server/store/store.h"

#include <string>
#include <vector>

namespace bk::bkdb {

struct FeedTask {
  std::string entry;               // the name of the tree's root, or of the archive file
  std::vector<std::string> parts;  // clean relative paths; empty: everything
  // For a far sink, the snapshot's client: groups are checked before they are sent, since nobody can ask
  // again, and those that hold what the client never gave are packed anew without it.  A near sink hashes
  // what it gets and asks again.
  bool far = false;
};

// Ends with end_window().  Returns the parts that the snapshot does not have.  What is left out is added to
// `findings`, but for what the sink finds damaged.
std::vector<std::string> feed_tree(store::Store& store, const store::SnapshotRecord& snapshot,
                                   const FeedTask& task, RestoreSink& sink, Findings& findings);

}  // namespace bk::bkdb
