#include "server/store/copy_finder.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "server/store/bad_sectors.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace bk::store {
namespace {

Layout layout_beside(const Layout& own, std::shared_ptr<Storage> copy, std::string folder) {
  Layout out = own;
  out.storage = std::move(copy);
  out.store = std::move(folder);
  out.index = own.index + "/copy";
  return out;
}

}  // namespace

CopyFinder::CopyFinder(const Layout& own, const StoreId& store, std::shared_ptr<Storage> copy,
                       std::string folder)
    : layout_(layout_beside(own, std::move(copy), std::move(folder))), reader_(layout_, store) {
  remove_tree(layout_.index);  // of a heal that was killed
  index_.emplace(layout_, store);
  ensure_directory(layout_.runs());
  index_->reconcile();
  if (is_directory(layout_.journals())) index_->refresh();
}

CopyFinder::~CopyFinder() {
  index_.reset();
  try {
    remove_tree(layout_.index);
  } catch (const Error&) {
    // The next one removes it.
  }
}

bool CopyFinder::try_read(const Location& where, ObjectKind kind, const ChunkId& id,
                          const std::function<void(std::string_view)>& sink) {
  std::string_view content;
  try {
    content = reader_.chunk(where, kind, id);
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt && !is_media_error(error)) throw;
    return false;
  }
  sink(content);
  return true;
}

void CopyFinder::read_many(ObjectKind kind, std::span<const ChunkId> ids,
                           const std::function<void(std::size_t, std::string_view)>& sink) {
  std::vector<std::pair<Location, std::size_t>> places;
  index_->find_many(ids, [&](std::size_t i, const Location& where) {
    if (where.kind == kind) places.emplace_back(where, i);
  });
  std::sort(places.begin(), places.end());
  std::vector<bool> found(ids.size(), false);
  for (const auto& [where, i] : places)
    if (!found[i])
      found[i] = try_read(where, kind, ids[i], [&, at = i](std::string_view content) { sink(at, content); });
}

}  // namespace bk::store
