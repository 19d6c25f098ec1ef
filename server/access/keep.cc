#include "server/access/keep.h"

#include "common/path/names.h"
#include "common/text/escape.h"
#include "common/text/number.h"

#include <algorithm>
#include <array>

namespace bk::server {
namespace {

constexpr std::array<std::string_view, 7> kKeys{"last",    "hourly", "daily", "weekly",
                                                "monthly", "yearly", "within"};

std::string_view take_part(std::string_view& rest) {
  const std::size_t end = std::min(rest.find(':'), rest.size());
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

}  // namespace

std::string keep_scope_problem(std::string_view scope) {
  const bool has_path = std::count(scope.begin(), scope.end(), ':') >= 2;
  const bool has_module = scope.find(':') != std::string_view::npos;
  std::string_view rest = scope;
  const std::string_view client = take_part(rest);
  if (!is_safe_name(client)) return quoted(client) + " is no client name";
  if (!has_module) return {};
  const std::string_view module = take_part(rest);
  if (!is_safe_name(module)) return quoted(module) + " is no module name";
  if (has_path && !is_clean_absolute(rest)) return quoted(rest) + " is no clean absolute path";
  return {};
}

bool is_keep_key(std::string_view key) { return std::find(kKeys.begin(), kKeys.end(), key) != kKeys.end(); }

std::string keep_value_problem(std::string_view key, std::string_view value) {
  if (key != "within") {
    if (parse_int<int>(value, 0, 10000)) return {};
    return quoted(value) + " is no number from 0 to 10000";
  }
  const bool unit = !value.empty() && std::string_view("dwmy").find(value.back()) != std::string_view::npos;
  if (unit && parse_int<int>(value.substr(0, value.size() - 1), 1, 10000)) return {};
  return quoted(value) + " is no span such as 30d, 8w, 12m or 2y";
}

}  // namespace bk::server
