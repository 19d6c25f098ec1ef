// What can be said of a store's clients without opening it.
#pragma once

#include <string>

namespace bk::store {

// Whether a snapshot of the client was ever committed to the store in this folder: one file is looked at.
// False also when that cannot be read, which its own backup will tell.
[[nodiscard]] bool has_snapshots(const std::string& directory, const std::string& client);

}  // namespace bk::store
