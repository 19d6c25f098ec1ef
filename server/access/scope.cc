#include "server/access/scope.h"

#include "common/path/names.h"
#include "common/text/escape.h"

#include <algorithm>

namespace bk::server {
namespace {

std::string take_part(std::string_view& rest) {
  const std::size_t end = std::min(rest.find(':'), rest.size());
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return std::string(part);
}

}  // namespace

int SourceScope::nearness(std::string_view of_client, std::string_view of_module,
                          std::string_view of_path) const {
  if (client.empty()) return 0;
  if (client != of_client) return -1;
  if (module.empty()) return 1;
  if (module != of_module) return -1;
  if (path.empty()) return 2;
  return path == of_path ? 3 : -1;
}

std::string parse_scope(std::string_view text, SourceScope& scope) {
  if (text.empty()) return {};
  const bool has_path = std::count(text.begin(), text.end(), ':') >= 2;
  const bool has_module = text.find(':') != std::string_view::npos;
  std::string_view rest = text;
  scope.client = take_part(rest);
  if (!is_safe_name(scope.client)) return quoted(scope.client) + " is no client name";
  if (!has_module) return {};
  scope.module = take_part(rest);
  if (!is_safe_name(scope.module)) return quoted(scope.module) + " is no module name";
  if (has_path && !is_clean_absolute(rest)) return quoted(rest) + " is no clean absolute path";
  scope.path = rest;
  return {};
}

}  // namespace bk::server
