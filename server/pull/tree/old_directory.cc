#include "server/pull/tree/old_directory.h"

namespace bk::pull {

OldDirectory::OldDirectory(store::Store& store, const ChunkId& node, bool directories_only)
    : reader_(store, node), directories_only_(directories_only) {
  advance();
}

void OldDirectory::advance() {
  do {
    ahead_ = reader_.next();
  } while (ahead_ && directories_only_ && ahead_->type != EntryType::Directory);
}

std::optional<Entry> OldDirectory::take(std::string_view name) {
  for (; ahead_ && ahead_->name < name; advance()) passed_ = true;
  if (!ahead_ || ahead_->name != name) return std::nullopt;
  std::optional<Entry> found = std::move(ahead_);
  advance();
  return found;
}

bool OldDirectory::has_others() { return passed_ || ahead_.has_value(); }

}  // namespace bk::pull
