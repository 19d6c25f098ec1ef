#include "client/modules/sqlite.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/path/names.h"
#include "common/sqlite/online_copy.h"
#include "common/text/escape.h"

#include <glob.h>

#include <algorithm>

namespace bk::client {
namespace {

bool is_pattern(const std::string& path) { return path.find_first_of("*?[") != std::string::npos; }

// A folder in the way that cannot be read may hide databases.
std::vector<std::string> matches(const std::string& pattern) {
  glob_t found{};
  const int code = ::glob(pattern.c_str(), GLOB_ERR, nullptr, &found);
  std::vector<std::string> out;
  for (std::size_t i = 0; code == 0 && i < found.gl_pathc; ++i) out.emplace_back(found.gl_pathv[i]);
  ::globfree(&found);
  if (code != 0 && code != GLOB_NOMATCH)
    throw Error(Kind::Io, quoted(pattern) + ": a folder on the way cannot be read");
  return out;
}

void look_at(const std::string& path, bool named, FoundDatabases& out) {
  try {
    if (!is_directory(path) && sqlite::is_database(path)) {
      out.paths.push_back(path);
    } else if (named) {
      out.problems.push_back(quoted(path) + " is no SQLite database");
    }
  } catch (const Error& error) {
    out.problems.emplace_back(error.what());
  }
}

}  // namespace

FoundDatabases find_sqlite(const ModuleConfig& module) {
  FoundDatabases out;
  for (const std::string& path : module.paths) {
    if (!is_pattern(path) || path_exists(path)) {
      look_at(path, true, out);
      continue;
    }
    try {
      const std::size_t before = out.paths.size();
      for (const std::string& match : matches(path)) look_at(match, false, out);
      if (out.paths.size() == before) out.problems.push_back(quoted(path) + " matches no SQLite database");
    } catch (const Error& error) {
      out.problems.emplace_back(error.what());
    }
  }
  std::sort(out.paths.begin(), out.paths.end());
  out.paths.erase(std::unique(out.paths.begin(), out.paths.end()), out.paths.end());
  return out;
}

void dump_sqlite(const ModuleConfig& module, const std::string& path, const std::string& folder) {
  const std::string copy = join_path(folder, base_name(path));
  sqlite::copy_database(path, copy, std::chrono::seconds(std::stoll(module.text("lock_wait"))));
  const std::vector<std::string> wrong = sqlite::check_database(copy);
  if (!wrong.empty())
    throw Error(Kind::Corrupt,
                "database " + quoted(path) + " is damaged (integrity_check): " + quoted(wrong.front()));
}

}  // namespace bk::client
