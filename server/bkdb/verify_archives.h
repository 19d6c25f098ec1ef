// Archives as the streams that their clients hashed: good chunks in a wrong order are noticed here only.
//
// An archive that was found right once is right as long as its chunks are what their identities say, so it is
// not streamed again: `verified-archives` in the index folder remembers, and may be lost.
#pragma once

#include "server/bkdb/verify.h"
#include "server/store/store.h"

#include <string>
#include <unordered_map>
#include <vector>

namespace bk::bkdb {

// Puts what is wrong into `bad`, by the snapshot's id.
void check_archives(store::Store& store, const std::vector<const store::SnapshotRecord*>& snapshots,
                    std::unordered_map<std::string, Reason>& bad);

}  // namespace bk::bkdb
