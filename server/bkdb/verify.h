// Reads and hashes what snapshots hold, and says which snapshots and paths suffer from what is damaged.
//
// Whoever reads all packs anyway, in their order, gives what he found good: then trees are walked, their
// chunks compared with that, and only what is not among it is read.  Else every chunk that a selected
// snapshot needs is read once or a few times, however many snapshots share it: directories met before are not
// walked again. Then each archive (method sftp) that was never found good is hashed as a whole and compared
// with what its client computed: afterwards its chunks speak for it. Of a sealed snapshot whose key is not at
// hand everything that it leads to is read and hashed, too; what is damaged there has no path. Only when
// something is damaged, a second walk without content finds every path that names it.  Memory: some tens of
// megabytes; tables of nodes and chunks spill to the index folder.
#pragma once

#include "server/bkdb/good_chunks.h"
#include "server/store/store.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace bk::bkdb {

struct VerifyTotals {
  std::uint64_t snapshots = 0, directories = 0, files = 0, chunks = 0, bytes = 0;
  std::uint64_t sealed = 0;  // of the snapshots: their folders and files are not known here
};

// `problem` gets the snapshot, the path within its source ("" for the root) and the reason; the same path is
// reported once for each snapshot.  What was removed meanwhile is not reported.
struct Reason {
  std::string text;
  bool unreadable = false;  // the disk did not give it back: nothing is known of the bytes
  [[nodiscard]] bool empty() const { return text.empty(); }
};
using Problem =
    std::function<void(const store::SnapshotRecord& snapshot, const std::string& path, const Reason& reason)>;
[[nodiscard]] Reason reason_of(const Error& error);

struct VerifyPlan {
  // False: walks directories and chunk lists, and looks whether every chunk stands somewhere that is not
  // known to be damaged.
  bool content = true;
  GoodChunks* good = nullptr;  // what was found good in the packs since the snapshots were listed
};
// `progress` gets the bytes of content looked after so far; may be empty.
VerifyTotals verify_snapshots(store::Store& store, const std::vector<const store::SnapshotRecord*>& snapshots,
                              const VerifyPlan& plan, const Problem& problem,
                              const std::function<void(std::uint64_t bytes)>& progress = {});

}  // namespace bk::bkdb
