// Repositories of this installation: made bare, with our programs for hooks and with settings that hold
// whoever pushes.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bk::server {

// Settings given to git with every push or fetch; what a repository's own config says does not count against
// them.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> git_settings(const std::string& hooks);

// Makes or mends the links <home>/repositories/.hooks/{admin,client}/{pre,post}-receive.
void ensure_hooks(const std::string& home);

// Makes <path> when it does not exist; `hooks` is one of hooks_folder().  Durable when it returns.  Throws
// Refused when a folder above it is itself a repository.
void ensure_repository(const std::string& path, const std::string& hooks, const std::string& branch);

// Removes what a killed git leaves in a repository and what would block the next one: lock files, half
// received packs.  Only while nobody else uses the repository (its backline/in-use is held exclusively).
void clear_leftovers(const std::string& path);

}  // namespace bk::server
