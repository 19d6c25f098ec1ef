// Keys of objects as paths, reversibly.  Pure.
//
// A key is cut at its '/'; each part is a name as it stands, but for what a file's name cannot hold:
//
//   '%', bytes below 0x20 and 0x7f   %XX
//   a part that is "." or ".."       %2E, %2E%2E
//   an empty part ("a//b", "/a")     %-
//   a part longer than 240 bytes     pieces, each but the last one ending in %+
//   "a" where "a/b" is there, too    a/%
//
// So "photos/2020/a.jpg" is that path, and whatever a key says, its path stays below the tree's root.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace bk::client {

inline constexpr std::string_view kAlsoFolder = "%";  // the name of an object whose key is a folder, too

// `key` is not empty.
[[nodiscard]] std::string path_of_key(std::string_view key);
// The inverse, also of the "a/%" form; nothing for what is no key's path.
[[nodiscard]] std::optional<std::string> key_of_path(std::string_view path);

}  // namespace bk::client
