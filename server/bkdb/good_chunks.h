// Chunks with their lengths, as marks of eight bytes: what packs hold, or what trees name, in bounded memory.
#pragma once

#include "common/spill/sorter.h"
#include "server/store/store.h"

#include <functional>
#include <span>

namespace bk::bkdb {

class GoodChunks {
 public:
  explicit GoodChunks(store::Store& store);
  void add(std::span<const store::ChunkMark> marks);
  // Ends adding to both.  Calls sink for each of these chunks, each once, with whether it is among `others`.
  void without(GoodChunks& others, const std::function<void(const store::ChunkMark&, bool found)>& sink);

 private:
  Sorter sorter_;
};

}  // namespace bk::bkdb
