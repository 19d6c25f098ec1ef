// Finding git repositories: every one below a folder, bare or with a work tree, never through a symlink.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bk::client {

// The folder git keeps its files in when `path` is a repository: `path` itself (bare) or `path`/.git; else
// "". Throws Io when it cannot be looked at.
[[nodiscard]] std::string git_directory(const std::string& path);

struct FoundRepositories {
  // As people name them, sorted: the work tree, or the bare folder.  Also those of submodules.
  std::vector<std::string> paths;
  std::vector<std::string> unreadable;  // "<path>: <reason>": what lies below is unknown
};
// `base` may be a repository itself.  Missing base: throws NotFound.  Other file systems are entered.
[[nodiscard]] FoundRepositories find_repositories(const std::string& base);

}  // namespace bk::client
