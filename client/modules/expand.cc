#include "client/modules/expand.h"

#include "client/modules/repositories.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/path/names.h"
#include "common/text/escape.h"

#include <algorithm>

namespace bk::client {
namespace {

void problem(Expanded& out, const std::string& text, int status) {
  out.problems.push_back(text);
  out.status = std::max(out.status, status);
}

void add_repositories(const ModuleConfig& module, const std::string& base, Expanded& out) {
  const FoundRepositories found = find_repositories(base);
  for (const std::string& path : found.paths) {
    if (is_clean_absolute(path)) {
      out.wanted.push_back({module.name, path});
    } else {
      problem(out, quoted(path) + " is too long for a request", kExitPartial);
    }
  }
  for (const std::string& text : found.unreadable) problem(out, text, kExitPartial);
  if (found.paths.empty() && found.unreadable.empty())
    problem(out, "no git repository below " + quoted(base), kExitNotFound);
}

}  // namespace

Expanded expand(const ModuleConfig& module, const std::vector<std::string>& paths) {
  Expanded out;
  for (const std::string& path : paths) {
    try {
      if (module.name == "git") {
        add_repositories(module, path, out);
      } else if (!path_exists(path)) {
        problem(out, quoted(path) + " does not exist", kExitNotFound);
      } else {
        out.wanted.push_back({module.name, path});
      }
    } catch (const Error& error) {
      problem(out, error.what(), exit_status(error.kind()));
    }
  }
  return out;
}

}  // namespace bk::client
