// The names that gitosis.conf and keydir/ may use.  Pure.
#pragma once

#include <string_view>

namespace bk::server {

// A user's name, matched in full: gitosis's "[a-zA-Z][a-zA-Z0-9_.-]*(@[a-zA-Z][a-zA-Z0-9.-]*)?", or a safe
// name (so that a client whose name begins with a digit can have a key); at most 128 bytes.
[[nodiscard]] bool is_user_name(std::string_view name);

// A repository as gate and configuration may name it: components [a-zA-Z0-9][a-zA-Z0-9@._-]* joined by '/'.
[[nodiscard]] bool is_repository_name(std::string_view name);

// A name in a list that could only have been written to leave the folder or to mean several: it begins with
// '/' or
// '~', has a ".." component, a glob sign or a control byte.
[[nodiscard]] bool is_dangerous_name(std::string_view name);

// A folder of repositories: below the home or absolute, no ".." component, no control byte.
[[nodiscard]] bool is_repository_prefix(std::string_view path);

// "a.git" is "a", once; as Python's os.path.splitext sees it (".git" alone is no suffix).
[[nodiscard]] std::string_view without_git(std::string_view name);

}  // namespace bk::server
