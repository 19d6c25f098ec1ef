// What can be said of a store's clients without opening it.
#pragma once

#include <string>

namespace bk::store {

// Whether a snapshot of the client was ever committed to the store in this folder: one file is looked at.
// Throws Io.
[[nodiscard]] bool has_snapshots(const std::string& directory, const std::string& client);

}  // namespace bk::store
