#include "server/pull/tree/link_table.h"

#include "server/store/node.h"

namespace bk::pull {

std::string inode_key(std::uint64_t device, std::uint64_t inode) {
  std::string key(reinterpret_cast<const char*>(&device), sizeof device);
  return key.append(reinterpret_cast<const char*>(&inode), sizeof inode);
}

bool same_content(const Entry& stored, const Entry& now) {
  return stored.type == EntryType::File && now.type == EntryType::File && !stored.unreadable &&
         !stored.changed_while_read && stored.size == now.size && stored.mtime == now.mtime &&
         stored.ctime == now.ctime && stored.inode == now.inode;
}

bool LinkTable::fill(Entry& entry) {
  const std::optional<std::string> known = known_.get(inode_key(entry.device, entry.inode));
  if (!known) return false;
  Entry stored = std::move(store::decode_page(*known).front());
  if (!same_content(stored, entry)) return false;
  entry.content = std::move(stored.content);
  entry.xattrs = std::move(stored.xattrs);
  return true;
}

void LinkTable::remember(const Entry& entry) {
  if (entry.links < 2 || entry.unreadable || entry.changed_while_read) return;
  known_.put(inode_key(entry.device, entry.inode), store::encode_page({&entry, 1}));
}

}  // namespace bk::pull
