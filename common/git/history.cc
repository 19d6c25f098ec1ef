#include "common/git/check.h"
#include "common/git/repository.h"
#include "common/handle/handle.h"
#include "common/text/escape.h"

#include <algorithm>
#include <cstring>

namespace bk::git {
namespace {

using Walk = Handle<git_revwalk, git_revwalk_free>;

git_oid raw_oid(const Oid& oid) {
  git_oid out;
  std::memcpy(out.id, oid.bytes.data(), oid.bytes.size());
  return out;
}

// Calls `visit` for commits from `tip`, newest first, until it answers false.
template <class Visit>
void walk(const Repository& repository, const Oid& tip, const std::optional<Oid>& after, Visit&& visit) {
  const auto doing = [&] { return "walking to commit " + tip.hex() + " in " + quoted(repository.path()); };
  Walk walk;
  check_git(git_revwalk_new(Out(walk), repository.raw()), doing);
  check_git(git_revwalk_sorting(walk.get(), GIT_SORT_TOPOLOGICAL), doing);
  const git_oid from = raw_oid(tip);
  check_git(git_revwalk_push(walk.get(), &from), doing);
  if (after) {
    const git_oid hidden = raw_oid(*after);
    check_git(git_revwalk_hide(walk.get(), &hidden), doing);
  }
  git_oid id;
  for (;;) {
    const int code = git_revwalk_next(&id, walk.get());
    if (code == GIT_ITEROVER) return;
    check_git(code, doing);
    if (!visit(id)) return;
  }
}

}  // namespace

std::vector<Oid> Repository::commits_between(const std::optional<Oid>& after, const Oid& tip,
                                             std::size_t limit) const {
  std::vector<Oid> out;
  walk(*this, tip, after, [&](const git_oid& id) {
    if (out.size() == limit)
      throw Error(Kind::Protocol, "more than " + std::to_string(limit) + " new commits up to " + tip.hex() +
                                      " in " + quoted(path_));
    std::memcpy(out.emplace_back().bytes.data(), id.id, sizeof id.id);
    return true;
  });
  std::reverse(out.begin(), out.end());
  return out;
}

bool Repository::descends_from(const Oid& tip, const Oid& ancestor) const {
  if (tip == ancestor) return true;
  const git_oid raw_tip = raw_oid(tip);
  const git_oid raw_ancestor = raw_oid(ancestor);
  return check_git(git_graph_descendant_of(raw(), &raw_tip, &raw_ancestor),
                   [&] { return "following the history of " + tip.hex() + " in " + quoted(path_); }) == 1;
}

std::size_t Repository::count_commits(const Oid& tip, std::size_t limit) const {
  std::size_t count = 0;
  walk(*this, tip, std::nullopt, [&](const git_oid&) { return ++count < limit; });
  return count;
}

std::vector<TreeEntry> Repository::tree(const Oid& oid, std::size_t limit) const {
  std::vector<TreeEntry> out = tree(oid);
  if (out.size() > limit)
    throw Error(Kind::Protocol, "tree " + oid.hex() + " in " + quoted(path_) + ": " +
                                    std::to_string(out.size()) + " entries, more than " +
                                    std::to_string(limit));
  return out;
}

}  // namespace bk::git
