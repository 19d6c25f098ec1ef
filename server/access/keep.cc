#include "server/access/keep.h"

#include "common/text/escape.h"
#include "common/text/number.h"

#include <algorithm>
#include <array>
#include <utility>

namespace bk::server {
namespace {

constexpr std::array<std::pair<std::string_view, int KeepPolicy::*>, 6> kCounts{{
    {"last", &KeepPolicy::last},
    {"hourly", &KeepPolicy::hourly},
    {"daily", &KeepPolicy::daily},
    {"weekly", &KeepPolicy::weekly},
    {"monthly", &KeepPolicy::monthly},
    {"yearly", &KeepPolicy::yearly},
}};

}  // namespace

const KeepPolicy* KeepConf::find(std::string_view client, std::string_view module,
                                 std::string_view path) const {
  const KeepRule* rule = nearest_rule(rules, client, module, path);
  return rule == nullptr ? nullptr : &rule->policy;
}

bool is_keep_key(std::string_view key) {
  return key == "within" || key == "all" ||
         std::any_of(kCounts.begin(), kCounts.end(), [&](const auto& known) { return known.first == key; });
}

std::string parse_keep_value(std::string_view key, std::string_view value, KeepPolicy& policy) {
  if (key == "all") {
    policy.all = value == "yes";
    return policy.all ? "" : quoted(value) + " is not yes";
  }
  if (key == "within") {
    const bool unit = !value.empty() && std::string_view("dwmy").find(value.back()) != std::string_view::npos;
    const auto count = unit ? parse_int<int>(value.substr(0, value.size() - 1), 1, 10000) : std::nullopt;
    if (!count) return quoted(value) + " is no span such as 30d, 8w, 12m or 2y";
    policy.within = {*count, value.back()};
    return {};
  }
  const std::optional<int> count = parse_int<int>(value, 0, 10000);
  if (!count) return quoted(value) + " is no number from 0 to 10000";
  for (const auto& [name, member] : kCounts) {
    if (name == key) policy.*member = *count;
  }
  return {};
}

std::string parse_keep_limit(std::string_view value, KeepLimit& limit) {
  if (value.ends_with('%')) {
    const std::optional<int> percent = parse_int<int>(value.substr(0, value.size() - 1), 1, 100);
    if (percent) limit.percent = *percent;
    return percent ? "" : quoted(value) + " is no share from 1% to 100%";
  }
  const auto count = parse_int<std::uint64_t>(value, 1, 1'000'000'000);
  if (count) limit.count = *count;
  return count ? "" : quoted(value) + " is neither a share such as 30% nor a number of snapshots";
}

}  // namespace bk::server
