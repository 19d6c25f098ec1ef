// Reads chunks in the order of the disk, many at a time, and keeps going when some of them are damaged.
//
// Memory: the list of wanted chunks, at most kMost of them; content passes through one chunk at a time.
#pragma once

#include "common/error/error.h"
#include "server/store/store.h"

#include <functional>
#include <string_view>
#include <vector>

namespace bk::bkdb {

class ChunkWindow {
 public:
  static constexpr std::size_t kMost = 65536;

  // `cookie` is the caller's; it comes back with the content.
  void add(const ChunkId& id, std::uint64_t bytes, std::uint64_t cookie);
  [[nodiscard]] bool full() const { return ids_.size() >= kMost; }
  [[nodiscard]] bool empty() const { return ids_.empty(); }

  using Good = std::function<void(std::uint64_t cookie, const ChunkId& id, std::string_view content)>;
  using Bad = std::function<void(std::uint64_t cookie, const ChunkId& id, const Error& error)>;
  // Reads everything added, each exactly once to `good` or to `bad` (missing, damaged, or of another length),
  // and forgets it.  Errors that are not damage are thrown.
  void flush(store::Store& store, const Good& good, const Bad& bad);

 private:
  void take(std::size_t at, std::string_view content, const Good& good, const Bad& bad);
  std::vector<ChunkId> ids_;
  std::vector<std::uint64_t> bytes_, cookies_;
  std::vector<bool> done_;
};

}  // namespace bk::bkdb
