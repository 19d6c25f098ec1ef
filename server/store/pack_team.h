// A few threads that work packs off: decoding and hashing take more than one processor has where the disk is
// a fast one.  Internal to server/store.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <vector>

namespace bk::store {

// How many would work on so many packs: as many as there are processors, four at most, one for one pack.
[[nodiscard]] std::size_t team_size(std::size_t packs);

// Calls work for every pack, each once, in several threads; `member` says which of the team_size() it is.
// Work holds the lock whenever it touches what the others touch, and may give it up while it reads: it is
// called with it and returns with it.  What one throws ends all and is thrown here.
using PackWork = std::function<void(std::size_t member, std::uint64_t pack, std::unique_lock<std::mutex>&)>;
void work_off(std::span<const std::uint64_t> packs, std::size_t members, const PackWork& work);

}  // namespace bk::store
