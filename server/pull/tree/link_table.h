// The content of files with several names, so that it is read once: (device, inode) -> what was stored.
//
// Bounded: the oldest are forgotten, and then read again, which costs reading and no storage.
#pragma once

#include "common/tree/entry.h"

#include <cstdint>
#include <deque>
#include <map>
#include <utility>
#include <vector>

namespace bk::pull {

class LinkTable {
 public:
  // Fills content and attributes of `entry` from another name of the same file, when that was stored and the
  // file has not changed since.
  [[nodiscard]] bool fill(Entry& entry) const;
  // Remembers a stored file that has several names.
  void remember(const Entry& entry);

 private:
  using Key = std::pair<std::uint64_t, std::uint64_t>;
  void forget_oldest();
  std::map<Key, Entry> known_;
  std::deque<Key> order_;
  std::size_t extents_ = 0;
};

// The same size, mtime, ctime and inode: the content is the one we have (ctime cannot be set by anybody).
[[nodiscard]] bool same_content(const Entry& stored, const Entry& now);

}  // namespace bk::pull
