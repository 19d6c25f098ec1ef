// A directory of the previous snapshot, read in step with the names that the agent sends.
#pragma once

#include "common/tree/entry.h"
#include "server/store/store.h"
#include "server/store/tree.h"

#include <optional>
#include <string_view>

namespace bk::pull {

class OldDirectory {
 public:
  // Only subdirectories are seen when `directories_only` is set.
  OldDirectory(store::Store& store, const ChunkId& node, bool directories_only);
  // The entry of that name, if there is one.  Names must come in increasing order.
  [[nodiscard]] std::optional<Entry> take(std::string_view name);
  // True when entries were passed over, or are left: names that nobody asked for.
  [[nodiscard]] bool has_others();

 private:
  void advance();
  store::DirectoryReader reader_;
  bool directories_only_;
  std::optional<Entry> ahead_;
  bool passed_ = false;
};

}  // namespace bk::pull
