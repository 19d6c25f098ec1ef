// Module sqlite: live SQLite databases, found by paths and patterns, copied whole and checked.
#pragma once

#include "client/config/config.h"

#include <string>
#include <vector>

namespace bk::client {

struct FoundDatabases {
  std::vector<std::string> paths;     // sorted, each once
  std::vector<std::string> problems;  // what was named and is no database, one clear line each
};
// What the module's paths name: files, or patterns (*, ?, [a-z]) of which the databases are taken.
[[nodiscard]] FoundDatabases find_sqlite(const ModuleConfig& module);

// Copies the database into the folder under its own file name and checks the copy.  Throws as
// sqlite::copy_database; Corrupt when the copy is not sound.
void dump_sqlite(const ModuleConfig& module, const std::string& path, const std::string& folder);

}  // namespace bk::client
