// What another copy of the store holds, found by identity; internal to server/store.
//
// A copy that was cleaned apart has the same chunks in other packs.  So its packs and journals are read once,
// only the heads where tables name their chunks, into an index of their own below this store's; it goes with
// this object.  Nothing is written into the copy, which may lie on a medium that cannot be written.
//
// One at a time on a store: the caller holds the clean's lock.  Errors: Io.  What is damaged in the copy is
// not found there.
#pragma once

#include "server/store/index.h"
#include "server/store/pack_reader.h"

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace bk::store {

class CopyFinder {
 public:
  // `folder` is where the copy's journals lie; `own` says where there is room for the index.
  CopyFinder(const Layout& own, const StoreId& store, std::shared_ptr<Storage> copy, std::string folder);
  ~CopyFinder();
  CopyFinder(const CopyFinder&) = delete;
  CopyFinder& operator=(const CopyFinder&) = delete;
  // Calls `sink` with the place in `ids` and the content of each that the copy has whole, once, in the order
  // in which they lie there.
  void read_many(ObjectKind kind, std::span<const ChunkId> ids,
                 const std::function<void(std::size_t, std::string_view)>& sink);

 private:
  [[nodiscard]] bool try_read(const Location& where, ObjectKind kind, const ChunkId& id,
                              const std::function<void(std::string_view)>& sink);
  Layout layout_;
  std::optional<Index> index_;  // gone before its folder
  PackReader reader_;
};

}  // namespace bk::store
