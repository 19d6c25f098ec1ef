// Keeping a control repository small for years: short branches, one pack, no leftovers.
#pragma once

#include "common/git/repository.h"

#include <string>

namespace bk::server {

// Branches longer than this are cut once every receipt is confirmed …
inline constexpr std::size_t kLongBranch = 256;
// … and longer than this in any case: the receipts themselves are kept.
inline constexpr std::size_t kVeryLongBranch = 1024;

// Replaces both branches by commits without parents where they are long, and packs the repository where it
// has many loose objects or packs.  Does nothing while anybody reads from or pushes to the repository.  The
// caller holds backline/lock and has ingested everything up to `tip`.  Returns the new tip of the requests.
[[nodiscard]] git::Oid keep_small(const std::string& path, const git::Oid& tip, std::int64_t seconds);

}  // namespace bk::server
