// An SQLite file as one that nobody writes: no lock is taken, no journal looked for, nothing appears beside
// it (sqlite.org/uri.html).
#pragma once

#include <string>

namespace bk::sqlite {

// The URI to open it by, with SQLITE_OPEN_URI.
[[nodiscard]] std::string immutable_uri(const std::string& path);

}  // namespace bk::sqlite
