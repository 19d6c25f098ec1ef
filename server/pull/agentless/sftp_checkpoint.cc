// What an unfinished walk leaves for the next one.
#include "server/pull/agentless/sftp_tree.h"

namespace bk::pull {

void SftpTree::maybe_checkpoint() {
  const bool many =
      around_.checkpoint_bytes != 0 && out_.done.received_bytes - noted_bytes_ >= around_.checkpoint_bytes;
  if (many || Clock::now() - noted_ >= around_.checkpoint_every) checkpoint();
}

void SftpTree::checkpoint() {
  noted_bytes_ = out_.done.received_bytes;
  if (note_ && !stack_.empty()) {
    const Entry root = partial_root();
    if (root.node != noted_node_) note_(root);
    noted_node_ = root.node;
  }
  noted_ = Clock::now();
}

// The error that ended the pull is the one to be told.
void SftpTree::keep_what_is_there() noexcept {
  try {
    checkpoint();
  } catch (const std::exception&) {
  }
}

// Of each open directory what it has, then the one that is walked or the beginning of the file that is read,
// then what an earlier unfinished pull had behind it.
Entry SftpTree::partial_root() {
  std::optional<Entry> child;
  if (reading_ && reading_->bytes > 0) {
    child = reading_->entry;
    store::ExtentFolder beginning = reading_->folder;
    child->content = beginning.finish();
    child->unreadable = true;
  }
  for (auto level = stack_.rbegin(); level != stack_.rend(); ++level) {
    store::DirectoryWriter writer = level->writer->branch();
    if (child) writer.add(*child);
    add_rest(*level, writer);
    const store::DirectoryWriter::Done done = writer.finish();
    child = level->entry;
    child->node = done.node;
    child->has_subdirectories = done.has_subdirectories;
  }
  return *std::move(child);
}

void SftpTree::add_rest(const Level& level, store::DirectoryWriter& writer) {
  if (!level.begun_node) return;
  OldDirectory rest(around_.store, *level.begun_node, OldDirectory::See::All, OldDirectory::Damaged::Ends);
  while (const std::optional<Entry> entry = rest.next()) {
    if (entry->name > level.last_name) writer.add(*entry);
  }
}

}  // namespace bk::pull
