// The [keep …] sections of backline.conf: how long snapshots stay.  Parsed and checked here; carrying them
// out is not part of this version, so parse_backline_conf() refuses them after the check.  Pure.
#pragma once

#include <string>
#include <string_view>

namespace bk::server {

// "CLIENT", "CLIENT:MODULE" or "CLIENT:MODULE:PATH".  The reason when it is none of these, else empty.
[[nodiscard]] std::string keep_scope_problem(std::string_view scope);
[[nodiscard]] bool is_keep_key(std::string_view key);
// last, hourly, daily, weekly, monthly, yearly: how many, 0..10000; within: "<number>d|w|m|y".
[[nodiscard]] std::string keep_value_problem(std::string_view key, std::string_view value);

}  // namespace bk::server
