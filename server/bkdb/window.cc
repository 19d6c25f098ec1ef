#include "server/bkdb/window.h"

#include <fmt/format.h>

namespace bk::bkdb {

void ChunkWindow::add(const ChunkId& id, std::uint64_t bytes, std::uint64_t cookie) {
  ids_.push_back(id);
  bytes_.push_back(bytes);
  cookies_.push_back(cookie);
}

void ChunkWindow::take(std::size_t at, std::string_view content, const Good& good, const Bad& bad) {
  if (done_[at]) return;
  done_[at] = true;
  if (content.size() == bytes_[at]) return good(cookies_[at], ids_[at], content);
  bad(cookies_[at], ids_[at],
      Error(Kind::Corrupt, fmt::format("chunk {} holds {} bytes where {} are recorded", ids_[at].hex(),
                                       content.size(), bytes_[at])));
}

void ChunkWindow::flush(store::Store& store, const Good& good, const Bad& bad) {
  done_.assign(ids_.size(), false);
  try {
    store.read_many(ObjectKind::Data, ids_,
                    [&](std::size_t at, std::string_view content) { take(at, content, good, bad); });
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
  }
  // After damage somewhere in the window: one by one, to know which.
  for (std::size_t at = 0; at < ids_.size(); ++at) {
    if (done_[at]) continue;
    try {
      take(at, store.read(ObjectKind::Data, ids_[at]), good, bad);
    } catch (const Error& error) {
      if (error.kind() != Kind::Corrupt) throw;
      done_[at] = true;
      bad(cookies_[at], ids_[at], error);
    }
  }
  ids_.clear();
  bytes_.clear();
  cookies_.clear();
}

}  // namespace bk::bkdb
