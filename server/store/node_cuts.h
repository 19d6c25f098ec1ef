// How a store cuts its directories into nodes and its lists of extents into parts (docs/formats/tree.md,
// "Where nodes end").  A matter of writers alone: readers take whatever they find.
//
// What a change costs is above all the pieces of metadata around it, so they are small; not on high levels,
// which few things have, so that the deepest tree that the format allows holds more than any disk.  The sizes
// follow from the chunk sizes in the store's header: with others, each directory and long file that changes
// would once be stored anew.  What was measured: docs/decisions/chunk-size.md.
#pragma once

#include "common/chunk/chunker.h"

#include <cstddef>
#include <cstdint>

namespace bk::store {

// Estimated bytes of a page or an inner node.
struct NodeSize {
  std::size_t shortest, average, longest;
};

// Extents of a list; it may end behind one in `one_in` of them.
struct ListSize {
  std::size_t shortest, longest;
  std::uint32_t one_in;
};

struct NodeCuts {
  static constexpr std::size_t kLowLevels = 4;
  NodeSize page, low_inner, high_inner;
  ListSize low_list, high_list;
  // Level 1 is right above the pages.
  [[nodiscard]] const NodeSize& inner(std::size_t level) const {
    return level <= kLowLevels ? low_inner : high_inner;
  }
  // Level 0 holds the extents of the file.
  [[nodiscard]] const ListSize& list(std::size_t level) const {
    return level < kLowLevels ? low_list : high_list;
  }
};

inline const NodeCuts& node_cuts_of(const ChunkerParams& chunks) {
  static constexpr NodeSize kLongNode{512, 2048, 16384};
  static constexpr ListSize kLongList{8, 256, 32};
  static constexpr NodeCuts kLong{kLongNode, kLongNode, kLongNode, kLongList, kLongList};
  static constexpr NodeCuts kShort{{128, 256, 2048}, {96, 192, 1536}, kLongNode, {4, 128, 16}, kLongList};
  return chunks.cuts_finely() ? kShort : kLong;
}

}  // namespace bk::store
