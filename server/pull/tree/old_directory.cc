#include "server/pull/tree/old_directory.h"

#include "common/error/error.h"

namespace bk::pull {

OldDirectory::OldDirectory(store::Store& store, const ChunkId& node, See see, Damaged damaged)
    : reader_(store, node), see_(see), damaged_(damaged) {
  advance();
}

void OldDirectory::advance() {
  try {
    do {
      ahead_ = reader_.next();
    } while (ahead_ && see_ == See::Directories && ahead_->type != EntryType::Directory);
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt || damaged_ == Damaged::Throws) throw;
    ahead_.reset();
  }
}

std::optional<Entry> OldDirectory::take(std::string_view name) {
  for (; ahead_ && ahead_->name < name; advance()) passed_ = true;
  if (!ahead_ || ahead_->name != name) return std::nullopt;
  std::optional<Entry> found = std::move(ahead_);
  advance();
  return found;
}

std::optional<Entry> OldDirectory::next() {
  std::optional<Entry> found = std::move(ahead_);
  if (found) advance();
  return found;
}

bool OldDirectory::has_others() { return passed_ || ahead_.has_value(); }

}  // namespace bk::pull
