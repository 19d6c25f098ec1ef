// datetime_range: which snapshots of a source a command means (grammar F004-21 to F004-23 of the old bkdb).
//
//   range  = "=" T | ">" T [ "," N ] | "<" T [ "," N ] | ">" T "," "<" T | "<" T "," ">" T
//   T      = [ [ YYYY "-" ] MM "-" ] DD [ " " hh [ ":" mm [ ":" ss ] ] ]
//   N      = 1*DIGIT
//
// Spaces are allowed around "," and after an operator.  What T leaves out is the current year and month, and
// zero for the time of day: "=2013-09-05" means midnight, not any time that day.  A year is literal: "13-1-1"
// lies in the year 13.
//
// Times are compared by whole seconds, as `ls` shows them.  Order of what a range selects: ">T" oldest first,
// everything else newest first.  Pure: `now` comes from the caller.
#pragma once

#include "server/bkdb/zone.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace bk::bkdb {

struct TimeRange {
  enum class Kind { At, After, Before, Between } kind = Kind::At;
  std::int64_t first = 0;              // At, After, Before: T.  Between: the earlier end
  std::int64_t second = 0;             // Between: the later end
  std::optional<std::uint64_t> count;  // After, Before: at most so many, those nearest to T
  bool operator==(const TimeRange&) const = default;
};

// Whether a word is meant as a range: it begins with an operator.
[[nodiscard]] bool is_time_range(std::string_view text);
// Throws Usage with the reason.
[[nodiscard]] TimeRange parse_time_range(std::string_view text, Timestamp now, Zone zone);

// Positions in `times` (oldest first) that the range selects, in the range's order.
[[nodiscard]] std::vector<std::size_t> select(const TimeRange& range, std::span<const Timestamp> times);

}  // namespace bk::bkdb
