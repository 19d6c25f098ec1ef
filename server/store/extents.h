// Long files: extents folded into List objects, so that no entry becomes long and a change in the middle of a
// large file rewrites one small list per level.
#pragma once

#include "server/store/node.h"
#include "server/store/store.h"

#include <cstddef>
#include <vector>

namespace bk::store {

inline constexpr std::size_t kInlineExtents = 64;  // an entry holds at most so many

// Collects the extents of one file in order; memory is bounded by levels, not by the file.
class ExtentFolder {
 public:
  explicit ExtentFolder(Writer& writer) : writer_(writer) {}
  void add(Extent extent) { add(0, std::move(extent)); }
  // At most kInlineExtents extents that stand for all that was added; the folder is empty again.
  [[nodiscard]] std::vector<Extent> finish();

 private:
  struct Level {
    std::vector<Extent> pending;
    bool folding = false;
  };
  void add(std::size_t level, Extent extent);
  void fold_front(std::size_t level);
  void put_list(std::size_t level, std::size_t count);
  Writer& writer_;
  std::vector<Level> levels_;
};

// False when a list or chunk of a file's content is missing, or stands only where the store is known to be
// damaged.
[[nodiscard]] bool content_is_there(Store& store, Writer& writer, const Entry& file);

// The same extents, folded when there are more than kInlineExtents.
[[nodiscard]] std::vector<Extent> fold_extents(Writer& writer, const std::vector<Extent>& extents);

}  // namespace bk::store
