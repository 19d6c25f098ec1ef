#include "server/pull/tree/moved_directories.h"

#include "common/error/error.h"
#include "server/pull/tree/link_table.h"
#include "server/store/tree.h"

#include <vector>

namespace bk::pull {

namespace {

std::string value_of(const Entry& directory) {
  std::string value(directory.node.view());
  value += directory.listing.view();
  value += directory.has_subdirectories ? '1' : '0';
  value += directory.unreadable ? '1' : '0';
  return value;
}

}  // namespace

MovedDirectories::MovedDirectories(store::Store& store, std::optional<Entry> old_root)
    : store_(store), old_root_(std::move(old_root)), known_(store.scratch()) {}

void MovedDirectories::collect() {
  std::vector<store::DirectoryReader> stack;
  if (old_root_ && old_root_->has_subdirectories) stack.emplace_back(store_, old_root_->node);
  while (!stack.empty()) {
    std::optional<Entry> entry;
    try {
      entry = stack.back().next();
    } catch (const Error& error) {
      if (error.kind() != Kind::Corrupt) throw;  // what cannot be read is not found again, and so sent again
    }
    if (!entry) {
      stack.pop_back();
      continue;
    }
    if (entry->type != EntryType::Directory) continue;
    known_.insert(inode_key(entry->device, entry->inode), value_of(*entry));
    if (entry->has_subdirectories) stack.emplace_back(store_, entry->node);
  }
  old_root_.reset();
}

std::optional<Entry> MovedDirectories::find(std::uint64_t device, std::uint64_t inode) {
  if (old_root_) collect();
  const std::optional<std::string> value = known_.get(inode_key(device, inode));
  if (!value) return std::nullopt;
  Entry found;
  found.type = EntryType::Directory;
  found.device = device;
  found.inode = inode;
  found.node = Digest::from_bytes(value->substr(0, 32));
  found.listing = Digest::from_bytes(value->substr(32, 32));
  found.has_subdirectories = value->at(64) == '1';
  found.unreadable = value->at(65) == '1';
  return found;
}

}  // namespace bk::pull
