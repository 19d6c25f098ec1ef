#include "server/pull/tree/walk_intake.h"

#include "common/error/error.h"

namespace bk::pull {

// The same digest of the same kind of listing: digests of zeros stand for something to look at again.
bool WalkIntake::same_listing(const Entry& old, const Leave& leave) const {
  return !doubt_ && !leave.unreadable && !old.unreadable && old.listing != Digest{} &&
         old.listing == leave.listing;
}

WalkIntake::WalkIntake(AgentLine& line, store::Store& store, Held& held, std::optional<Entry> old_root,
                       std::optional<Entry> begun, bool doubt)
    : line_(line), store_(store), held_(held), doubt_(doubt), moved_(store, old_root) {
  auto root = std::make_unique<HeldDirectory>();
  root->old = std::move(old_root);
  root->begun = std::move(begun);
  open(std::move(root));
}

void WalkIntake::open(std::unique_ptr<HeldDirectory> directory) {
  if (directory->old && directory->old->has_subdirectories) {
    directory->old_subdirectories.emplace(
        store_, directory->old->node, OldDirectory::See::Directories,
        doubt_ ? OldDirectory::Damaged::Ends : OldDirectory::Damaged::Throws);
  }
  if (directory->begun && directory->begun->has_subdirectories) {
    directory->begun_subdirectories.emplace(store_, directory->begun->node, OldDirectory::See::Directories,
                                            OldDirectory::Damaged::Ends);
  }
  held_.add(sizeof(HeldDirectory) + directory->name.size());
  stack_.push_back(std::move(directory));
}

void WalkIntake::enter(const Enter& message) {
  if (stack_.empty()) throw Error(Kind::Protocol, "Enter after the root was left");
  if (stack_.size() >= kMaxDepth)
    throw Error(Kind::Protocol, "the agent's tree is deeper than the protocol allows");
  HeldDirectory& parent = *stack_.back();
  if (!parent.last_child.empty() && message.name <= parent.last_child) {
    throw Error(Kind::Protocol, "the agent enters directories out of order");
  }
  parent.last_child = message.name;
  auto directory = std::make_unique<HeldDirectory>();
  directory->parent = &parent;
  directory->name = message.name;
  if (parent.old_subdirectories) directory->old = parent.old_subdirectories->take(message.name);
  if (!directory->old) parent.other_children = true;
  if (parent.begun_subdirectories) directory->begun = parent.begun_subdirectories->take(message.name);
  open(std::move(directory));
}

bool WalkIntake::decide_want(HeldDirectory& directory) {
  if (directory.old_subdirectories && directory.old_subdirectories->has_others())
    directory.other_children = true;
  directory.old_subdirectories.reset();
  directory.begun_subdirectories.reset();
  if (directory.old && !directory.other_children && same_listing(*directory.old, directory.leave))
    return false;
  if (directory.begun && same_listing(*directory.begun, directory.leave)) {
    directory.old = std::move(directory.begun);
    directory.begun.reset();
    directory.moved = true;
    return false;
  }
  find_by_inode(directory);
  return !directory.moved || !same_listing(*directory.old, directory.leave);
}

// Not the directory that had this path: perhaps one of another path, renamed.
void WalkIntake::find_by_inode(HeldDirectory& directory) {
  const Stat& stat = directory.leave.stat;
  if (directory.parent == nullptr || directory.leave.entries == 0) return;
  if (directory.old && directory.old->inode == stat.inode && directory.old->device == stat.device) return;
  std::optional<Entry> found = moved_.find(stat.device, stat.inode);
  if (!found) return;
  directory.old = std::move(found);
  directory.moved = true;
}

void WalkIntake::leave(Leave message) {
  if (stack_.empty()) throw Error(Kind::Protocol, "Leave after the root was left");
  if (message.number != next_leave_) throw Error(Kind::Protocol, "Leave out of order");
  std::unique_ptr<HeldDirectory> directory = std::move(stack_.back());
  stack_.pop_back();
  for (const Xattr& attribute : message.xattrs) held_.add(attribute.name.size() + attribute.value.size());
  directory->leave = std::move(message);
  directory->want = decide_want(*directory);
  ++(directory->want ? wanted_ : same_);
  Verdicts verdict{next_leave_++, {}};
  verdict.want.push_back(directory->want);
  line_.send(FrameType::Verdicts, verdict);
  held_.left.push_back(std::move(directory));
}

}  // namespace bk::pull
