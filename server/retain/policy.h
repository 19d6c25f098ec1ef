// Which snapshots of one source stay, by rules in the words that restic and Borg made common.  Pure: what the
// clock says now plays no part, only the snapshots' own times, in UTC.
//
//   last = N      the N newest
//   hourly … yearly = N   of the newest N hours, days, ISO weeks, months or years that have a snapshot, the
//                 newest of each; while fewer than N have one, the oldest snapshot of all stays, too
//   within = SPAN all that are at most so much older than the newest (months and years by the calendar)
//
// A snapshot stays when any rule keeps it.  Whatever the rules say, the newest stays, the newest one that
// nothing is missing from stays, and what is held stays.
#pragma once

#include "common/time/time.h"

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bk::server {

struct Span {
  int count = 0;    // 0: none
  char unit = 'd';  // d, w, m, y
  bool operator==(const Span&) const = default;
};

struct KeepPolicy {
  bool all = false;  // nothing goes
  int last = 0, hourly = 0, daily = 0, weekly = 0, monthly = 0, yearly = 0;
  Span within = {};
  bool operator==(const KeepPolicy&) const = default;
};

struct RetainedSnapshot {
  Timestamp began;
  bool complete = true;  // nothing was skipped
  bool held = false;
};

// For each snapshot, which come oldest first, why it stays: words such as "newest", "daily", "held".  Empty:
// it goes.
[[nodiscard]] std::vector<std::vector<std::string>> choose_kept(const KeepPolicy& policy,
                                                                std::span<const RetainedSnapshot> snapshots);

// So much earlier; a day that the month does not have becomes its last one.
[[nodiscard]] Timestamp earlier(Timestamp from, const Span& span);

}  // namespace bk::server
