// Which sources a section of backline.conf speaks of: "[keep CLIENT:MODULE:PATH]".  Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bk::server {

// Empty parts mean any; a path only stands behind a module, a module behind a client.
struct SourceScope {
  std::string client, module, path;

  // 0 for everything to 3 for one path; negative when the source is not meant.
  [[nodiscard]] int nearness(std::string_view of_client, std::string_view of_module,
                             std::string_view of_path) const;
};

// "CLIENT", "CLIENT:MODULE" or "CLIENT:MODULE:PATH", or empty for everything.  The reason when it is none of
// these, else empty, and the parts are set.
[[nodiscard]] std::string parse_scope(std::string_view text, SourceScope& scope);

// The rule (anything with a member `scope`) nearest to a source: that of the path, the module, the client,
// the one for everything; null when none fits.
template <class Rule>
[[nodiscard]] const Rule* nearest_rule(const std::vector<Rule>& rules, std::string_view client,
                                       std::string_view module, std::string_view path) {
  const Rule* best = nullptr;
  int nearest = -1;
  for (const Rule& rule : rules) {
    const int near = rule.scope.nearness(client, module, path);
    if (near <= nearest) continue;
    best = &rule;
    nearest = near;
  }
  return best;
}

}  // namespace bk::server
