// Where a file stands against its old chunk list while it is read again (feature "windows"): the same
// arithmetic on both ends, fed with the same recipe items.
//
// Chunks of the old version are numbered from 0, holes and inline stretches left out.  The server may have
// named the ids up to base() + kOldWindow; the agent may refer to those from base() on.  So neither end ever
// holds more than kOldWindow ids, however long the file is.  The base follows the expected position by
// kOldBehind, but at most kOldStep for each chunk: a match far ahead that was an accident does not throw away
// what comes next.
#pragma once

#include "common/chunk/chunk_id.h"

#include <cstdint>
#include <string_view>

namespace bk::pull {

inline constexpr std::uint64_t kOldWindow = 32768;
inline constexpr std::uint64_t kOldBehind = 4096;
inline constexpr std::uint64_t kOldStep = 64;

class OldPosition {
 public:
  // The next `count` chunks are the old ones from `first` on.
  void kept(std::uint64_t first, std::uint64_t count);
  // The next chunk is a new one.
  void fresh();
  // Behind the last kept chunk.
  [[nodiscard]] std::uint64_t next() const { return next_; }
  // Where the next chunk would be if every new one had replaced an old one.
  [[nodiscard]] std::uint64_t expected() const { return next_ + strayed_; }
  [[nodiscard]] std::uint64_t base() const { return base_; }
  [[nodiscard]] std::uint64_t limit() const { return base_ + kOldWindow; }

 private:
  void follow(std::uint64_t chunks);
  std::uint64_t next_ = 0, strayed_ = 0, base_ = 0;
};

// What stands for a chunk in OldContent: the first kOldIdBits of SHA-256(salt || id), little-endian.  The
// salt is new in every pull, so nobody who writes files on the client can prepare two chunks that look alike.
[[nodiscard]] std::uint64_t old_id(std::string_view salt, const ChunkId& id);

// Over all chunk ids of a file in order: notices a kept chunk that only looked like the old one.
class ChunkSum {
 public:
  void add(const ChunkId& id) { hash_.update(id.view()); }
  // The first 8 bytes of SHA-256, little-endian; begins anew.
  [[nodiscard]] std::uint64_t finish();

 private:
  Sha256 hash_;
};

}  // namespace bk::pull
