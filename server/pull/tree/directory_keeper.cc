#include "server/pull/tree/directory_keeper.h"

#include <algorithm>

namespace bk::pull {

DirectoryKeeper::DirectoryKeeper(store::Store& store, store::Writer& writer, Held& held, LinkTable& links)
    : store_(store), writer_(writer), held_(held), links_(links) {}

void DirectoryKeeper::advance(std::uint64_t complete_batches) {
  while (!held_.left.empty()) {
    HeldDirectory& directory = *held_.left.front();
    while (directory.want && !held_.pages.empty()) {
      HeldPage& page = held_.pages.front();
      if (page.directory != &directory || page.open_files > 0 || page.batches > complete_batches) break;
      store_page(page);
      held_.bytes -= page.held_bytes;
      held_.pages.pop_front();
    }
    if (directory.want && !directory.stored) return;
    directory.want ? finish_wanted(directory) : keep_same(directory);
    held_.bytes -= sizeof(HeldDirectory) + directory.name.size();
    for (const Xattr& a : directory.leave.xattrs) held_.bytes -= a.name.size() + a.value.size();
    held_.left.pop_front();
    ++directories_;
  }
}

void DirectoryKeeper::store_page(HeldPage& page) {
  HeldDirectory& directory = *page.directory;
  if (!directory.writer) directory.writer = std::make_unique<store::DirectoryWriter>(writer_);
  for (std::size_t i = 0; i < page.entries.size(); ++i) {
    if (page.dropped[i])
      directory.clean = false;  // perhaps it was away for a moment, with all that the digest is made of
    else
      store_entry(directory, page.entries[i], page.linked[i]);
  }
  directory.stored = page.last;
}

// The walk decides which subdirectories there are: one that a page does not name any more was walked all the
// same, one that it names and that was not entered came too late for this run.
void DirectoryKeeper::add_children_before(HeldDirectory& directory, std::string_view name) {
  while (const Entry* child = directory.children.front(held_.spool)) {
    if (!name.empty() && child->name > name) return;
    directory.writer->add(*child);
    directory.stored_child = child->name;
    directory.children.pop();
  }
}

bool DirectoryKeeper::lost_attributes(const HeldDirectory& directory, const Entry& entry) const {
  return !held_.attributes_lost.empty() && held_.attributes_lost.contains(path_of(directory, entry.name));
}

void DirectoryKeeper::store_entry(HeldDirectory& directory, const Entry& entry, bool linked) {
  add_children_before(directory, entry.name);
  if (entry.type == EntryType::Directory || directory.stored_child == entry.name) return;
  if (entry.unreadable || entry.changed_while_read || lost_attributes(directory, entry))
    directory.clean = false;
  directory.writer->add(entry);
  if (entry.type == EntryType::File && !linked) links_.remember(entry);
}

void DirectoryKeeper::finish_wanted(HeldDirectory& directory) {
  add_children_before(directory, {});
  const auto done = directory.writer->finish();
  const bool comparable = directory.clean && !directory.leave.unreadable;
  hand_over(directory, done.node, done.has_subdirectories, comparable ? directory.listing : Digest{});
}

void DirectoryKeeper::keep_same(HeldDirectory& directory) {
  // A moved directory's children were never compared with those that it had.
  const bool other = directory.moved ? directory.old->has_subdirectories || !directory.children.empty()
                                     : directory.changed_children;
  if (other) return rewrite_old(directory);
  hand_over(directory, directory.old->node, directory.old->has_subdirectories, directory.leave.listing);
}

// Its own entries are as they were, and some subdirectories have new nodes.  Where none has, this makes the
// nodes that there are already.
void DirectoryKeeper::rewrite_old(HeldDirectory& directory) {
  store::DirectoryReader old(store_, directory.old->node);
  directory.writer = std::make_unique<store::DirectoryWriter>(writer_);
  while (const auto entry = old.next()) store_entry(directory, *entry, true);
  add_children_before(directory, {});
  const auto done = directory.writer->finish();
  hand_over(directory, done.node, done.has_subdirectories, directory.leave.listing);
}

void DirectoryKeeper::hand_over(HeldDirectory& directory, const ChunkId& node, bool has_subdirectories,
                                const Digest& listing) {
  Entry entry;
  entry.name = directory.name;
  entry.type = EntryType::Directory;
  set_stat(entry, directory.leave.stat);
  entry.xattrs = directory.leave.xattrs;
  entry.node = node;
  entry.listing = listing;
  entry.has_subdirectories = has_subdirectories;
  entry.unreadable = directory.leave.unreadable;
  if (directory.parent == nullptr) {
    root_ = std::move(entry);
    return;
  }
  if (!directory.old || directory.moved || *directory.old != entry) directory.parent->changed_children = true;
  directory.parent->children.add(held_.spool, std::move(entry));
}

}  // namespace bk::pull
