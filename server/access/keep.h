// The [keep …] sections of backline.conf: how long snapshots stay.  `bkdb keep` carries them out.  Pure.
#pragma once

#include "server/access/scope.h"
#include "server/retain/policy.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bk::server {

struct KeepRule {
  SourceScope scope;
  KeepPolicy policy;
};

// What one run may remove at most.
struct KeepLimit {
  int percent = 50;         // of all snapshots
  std::uint64_t count = 0;  // when it is not 0: so many instead
  bool operator==(const KeepLimit&) const = default;
};

struct KeepConf {
  std::vector<KeepRule> rules;
  KeepLimit at_most;
  // The nearest rule's: that of the path, the module, the client, [keep]; none when no section fits.
  [[nodiscard]] const KeepPolicy* find(std::string_view client, std::string_view module,
                                       std::string_view path) const;
};

[[nodiscard]] bool is_keep_key(std::string_view key);
// last, hourly, daily, weekly, monthly, yearly: how many, 0..10000; within: "<number>d|w|m|y"; all: "yes".
// The reason when the value is wrong, else empty, and the policy has it.
[[nodiscard]] std::string parse_keep_value(std::string_view key, std::string_view value, KeepPolicy& policy);
// at_most: "30%" or a number.
[[nodiscard]] std::string parse_keep_limit(std::string_view value, KeepLimit& limit);

}  // namespace bk::server
