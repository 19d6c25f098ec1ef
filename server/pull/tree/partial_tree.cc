#include "server/pull/tree/partial_tree.h"

#include "common/error/error.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace bk::pull {

namespace {

// The subdirectories of one directory, finished ones and then `begun`, put between its other entries.
class Merge {
 public:
  Merge(store::DirectoryWriter& out, const ChildList& finished, std::vector<Entry> begun)
      : out_(out), finished_(finished), begun_(std::move(begun)) {}
  // Left out when there is a subdirectory of that name.
  void add(const Entry& entry) {
    while (front() != nullptr && front()->name < entry.name) add_child();
    if (entry.name != last_ && (front() == nullptr || front()->name != entry.name)) out_.add(entry);
  }
  void finish() {
    while (front() != nullptr) add_child();
  }

 private:
  [[nodiscard]] const Entry* front() {
    if (const Entry* child = finished_.front()) return child;
    return at_ < begun_.size() ? &begun_[at_] : nullptr;
  }
  void add_child() {
    last_ = front()->name;
    out_.add(*front());
    finished_.front() != nullptr ? finished_.pop() : static_cast<void>(++at_);
  }
  store::DirectoryWriter& out_;
  ChildList::Reader finished_;
  std::vector<Entry> begun_;
  std::size_t at_ = 0;
  std::string last_;
};

Entry directory_entry(const HeldDirectory& directory) {
  Entry entry;
  entry.name = directory.name;
  entry.type = EntryType::Directory;
  return entry;
}

Entry left_entry(const HeldDirectory& directory) {
  Entry entry = directory_entry(directory);
  set_stat(entry, directory.leave.stat);
  entry.xattrs = directory.leave.xattrs;
  entry.unreadable = directory.leave.unreadable;
  return entry;
}

void finish_into(Entry& entry, store::DirectoryWriter& writer) {
  const store::DirectoryWriter::Done done = writer.finish();
  entry.node = done.node;
  entry.has_subdirectories = done.has_subdirectories;
}

// What an earlier checkpoint had, as far as it can be read.
void for_each_begun(store::Store& store, const HeldDirectory& directory,
                    const std::function<void(const Entry&)>& sink) {
  if (!directory.begun) return;
  OldDirectory old(store, directory.begun->node, OldDirectory::See::All, OldDirectory::Damaged::Ends);
  while (const std::optional<Entry> entry = old.next()) sink(*entry);
}

}  // namespace

std::vector<Entry> PartialTree::take_made(const HeldDirectory& directory) {
  std::vector<Entry> out = std::move(made_[&directory]);
  made_.erase(&directory);
  return out;
}

// An entry when it is finished, a file's beginning when there is one; else nothing.
std::optional<Entry> PartialTree::as_far(const HeldPage& page, std::size_t index) const {
  const Entry& entry = page.entries[index];
  if (page.dropped[index] || entry.type == EntryType::Directory) return std::nullopt;
  if (page.ready[index] <= content_.complete_batches()) return entry;
  Entry out = entry;
  out.content = content_.stored_beginning(entry);
  if (const auto begun = page.begun.find(index); out.content.empty() && begun != page.begun.end()) {
    store::ExtentFolder beginning = begun->second.folder;
    out.content = beginning.finish();
  }
  if (out.content.empty()) return std::nullopt;
  out.unreadable = true;
  out.changed_while_read = false;
  return out;
}

// Its own entries are those it had; its children were walked.
Entry PartialTree::left_same(const HeldDirectory& directory) {
  Entry entry = left_entry(directory);
  entry.listing = directory.leave.listing;
  store::DirectoryWriter writer(writer_);
  Merge merge(writer, directory.children, take_made(directory));
  store::DirectoryReader old(store_, directory.old->node);
  while (const std::optional<Entry> own = old.next()) {
    if (own->type != EntryType::Directory) merge.add(*own);
  }
  merge.finish();
  finish_into(entry, writer);
  return entry;
}

Entry PartialTree::left_wanted(const HeldDirectory& directory) {
  Entry entry = left_entry(directory);
  store::DirectoryWriter writer =
      directory.writer ? directory.writer->branch() : store::DirectoryWriter(writer_);
  Merge merge(writer, directory.children, take_made(directory));
  bool whole = directory.all_pages && directory.clean && !directory.leave.unreadable;
  for (const HeldPage* page : pages_[&directory]) {
    for (std::size_t i = 0; i < page->entries.size(); ++i) {
      const std::optional<Entry> own = as_far(*page, i);
      if (own && own->name != directory.stored_child) merge.add(*own);
      const bool counts = page->entries[i].type != EntryType::Directory;  // what vanished, too
      if (counts && (!own || own->unreadable || own->changed_while_read)) whole = false;
    }
  }
  if (!directory.all_pages) {
    for_each_begun(store_, directory, [&](const Entry& own) {
      if (own.type != EntryType::Directory && own.name > directory.last_name) merge.add(own);
    });
  }
  merge.finish();
  finish_into(entry, writer);
  if (whole) entry.listing = directory.listing;
  return entry;
}

Entry PartialTree::still_open(const HeldDirectory& directory) {
  Entry entry = directory_entry(directory);
  std::vector<Entry> made = take_made(directory);
  if (made.empty() && directory.children.empty() && directory.begun) {
    entry.node = directory.begun->node;
    entry.has_subdirectories = directory.begun->has_subdirectories;
    return entry;
  }
  store::DirectoryWriter writer(writer_);
  Merge merge(writer, directory.children, std::move(made));
  for_each_begun(store_, directory, [&](const Entry& own) {
    if (own.type != EntryType::Directory || own.name > directory.last_child) merge.add(own);
  });
  merge.finish();
  finish_into(entry, writer);
  return entry;
}

void PartialTree::add_left() {
  for (const auto& directory : held_.left) {
    Entry entry = directory->want ? left_wanted(*directory) : left_same(*directory);
    if (directory->parent == nullptr) {
      made_[nullptr] = {std::move(entry)};
    } else {
      made_[directory->parent].push_back(std::move(entry));
    }
  }
}

Entry PartialTree::build(const std::vector<std::unique_ptr<HeldDirectory>>& open) {
  made_.clear();
  pages_.clear();
  for (const HeldPage& page : held_.pages) pages_[page.directory].push_back(&page);
  add_left();
  for (auto directory = open.rbegin(); directory != open.rend(); ++directory)
    made_[(*directory)->parent].push_back(still_open(**directory));
  BK_CHECK(made_[nullptr].size() == 1);
  Entry root = std::move(made_[nullptr].front());
  root.name.clear();
  return root;
}

}  // namespace bk::pull
