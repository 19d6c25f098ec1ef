// A directory of an earlier tree, read in step with the names that the agent sends.
#pragma once

#include "common/tree/entry.h"
#include "server/store/store.h"
#include "server/store/tree.h"

#include <optional>
#include <string_view>

namespace bk::pull {

class OldDirectory {
 public:
  enum class See { All, Directories };
  // Damaged: what an end of the directory means when it cannot be read on.
  enum class Damaged { Throws, Ends };
  OldDirectory(store::Store& store, const ChunkId& node, See see, Damaged damaged = Damaged::Throws);
  // The entry of that name, if there is one.  Names must come in increasing order.
  [[nodiscard]] std::optional<Entry> take(std::string_view name);
  // The next entry, whatever its name.
  [[nodiscard]] std::optional<Entry> next();
  // True when entries were passed over, or are left: names that nobody asked for.
  [[nodiscard]] bool has_others();

 private:
  void advance();
  store::DirectoryReader reader_;
  See see_;
  Damaged damaged_;
  std::optional<Entry> ahead_;
  bool passed_ = false;
};

}  // namespace bk::pull
