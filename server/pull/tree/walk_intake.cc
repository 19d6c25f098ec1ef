#include "server/pull/tree/walk_intake.h"

#include "common/error/error.h"

namespace bk::pull {

WalkIntake::WalkIntake(AgentLine& line, store::Store& store, Held& held, std::optional<Entry> old_root)
    : line_(line), store_(store), held_(held) {
  auto root = std::make_unique<HeldDirectory>();
  root->old = std::move(old_root);
  open(std::move(root));
}

void WalkIntake::open(std::unique_ptr<HeldDirectory> directory) {
  if (directory->old && directory->old->has_subdirectories) {
    directory->old_subdirectories.emplace(store_, directory->old->node, true);
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
  open(std::move(directory));
}

bool WalkIntake::decide_want(HeldDirectory& directory) {
  if (directory.old_subdirectories && directory.old_subdirectories->has_others())
    directory.other_children = true;
  directory.old_subdirectories.reset();
  if (!directory.old || directory.other_children || directory.leave.unreadable || directory.old->unreadable)
    return true;
  return directory.old->listing == Digest{} || directory.old->listing != directory.leave.listing;
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
