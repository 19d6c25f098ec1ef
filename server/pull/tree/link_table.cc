#include "server/pull/tree/link_table.h"

namespace bk::pull {

namespace {

constexpr std::size_t kMaxFiles = 32768;
constexpr std::size_t kMaxExtents = 131072;

}  // namespace

bool same_content(const Entry& stored, const Entry& now) {
  return stored.type == EntryType::File && now.type == EntryType::File && !stored.unreadable &&
         !stored.changed_while_read && stored.size == now.size && stored.mtime == now.mtime &&
         stored.ctime == now.ctime && stored.inode == now.inode;
}

bool LinkTable::fill(Entry& entry) const {
  const auto found = known_.find({entry.device, entry.inode});
  if (found == known_.end() || !same_content(found->second, entry)) return false;
  entry.content = found->second.content;
  entry.xattrs = found->second.xattrs;
  return true;
}

void LinkTable::remember(const Entry& entry) {
  if (entry.links < 2 || entry.unreadable || entry.changed_while_read ||
      entry.content.size() > kMaxExtents / 4)
    return;
  const Key key{entry.device, entry.inode};
  const auto [at, is_new] = known_.try_emplace(key);
  if (is_new) order_.push_back(key);
  extents_ += entry.content.size();
  extents_ -= at->second.content.size();
  at->second = entry;
  at->second.name.clear();
  while (known_.size() > kMaxFiles || extents_ > kMaxExtents) forget_oldest();
}

void LinkTable::forget_oldest() {
  const auto oldest = known_.find(order_.front());
  order_.pop_front();
  extents_ -= oldest->second.content.size();
  known_.erase(oldest);
}

}  // namespace bk::pull
