// Groups on their way into a pack: one writer's journal, and what the index learns of it.
#pragma once

#include "common/compress/group.h"
#include "server/store/journal.h"
#include "server/store/store_impl.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace bk::store {

class Appender {
 public:
  explicit Appender(StoreImpl& store) : store_(store) {}
  // Returns how many bytes it takes.  Found by everybody at once, durable after sync().
  std::uint64_t append(const EncodedGroup& group, const std::vector<StoredChunk>& chunks);
  // Everything appended, and everything in other journals that was seen, is durable when it returns.
  void sync();

 private:
  StoreImpl& store_;
  std::optional<Journal> journal_;
};

}  // namespace bk::store
