#include "server/access/expect.h"

#include "common/config/config.h"
#include "common/text/escape.h"

namespace bk::server {

std::string parse_expect_value(std::string_view value, ExpectRule& rule) {
  rule.every.reset();
  if (value == "never") return {};
  rule.every = parse_duration(value);
  if (rule.every && *rule.every >= std::chrono::minutes(1)) return {};
  return quoted(value) + " is neither a period such as 1h or 1d, of a minute at least, nor never";
}

}  // namespace bk::server
