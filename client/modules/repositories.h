// Finding git repositories: every one below a folder, bare or with a work tree, never through a symlink.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bk::client {

// The folder git keeps its files in when `path` is a repository: `path` itself (bare) or `path`/.git; else
// "". Throws Io when it cannot be looked at.
[[nodiscard]] std::string git_directory(const std::string& path);

// What of a repository git's own protocol does not carry, sorted; each is a source of its own:
//   <git folder>/lfs/objects       when there are any: LFS objects, a tree (method rsync)
//   <git folder>/worktrees/NAME    a linked work tree whose HEAD is on no branch (method git): only there its
//                                  commit may have a name
// `repository` is the git folder.  Throws Io.
[[nodiscard]] std::vector<std::string> companions(const std::string& repository);
// `path` is such a folder of LFS objects, or such a folder of a linked work tree.
[[nodiscard]] bool is_lfs_folder(const std::string& path);
[[nodiscard]] bool is_linked_work_tree(const std::string& path);

struct FoundRepositories {
  // As people name them, sorted: the work tree, or the bare folder.  Also those of submodules.
  std::vector<std::string> paths;
  std::vector<std::string> unreadable;  // "<path>: <reason>": what lies below is unknown
};
// `base` may be a repository itself.  Missing base: throws NotFound.  Other file systems are entered.
[[nodiscard]] FoundRepositories find_repositories(const std::string& base);

}  // namespace bk::client
