// The [expect …] sections of backline.conf: how often a source is expected to succeed; `do_backup --status`
// tells which do not.  Pure.
#pragma once

#include "server/access/scope.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bk::server {

struct ExpectRule {
  SourceScope scope;
  std::optional<std::chrono::seconds> every;  // nothing: never, the source may rest
};

// every: a period of a minute at least, or "never".  The reason when the value is wrong, else empty.
[[nodiscard]] std::string parse_expect_value(std::string_view value, ExpectRule& rule);

}  // namespace bk::server
