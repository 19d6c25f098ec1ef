#include "server/retain/policy.h"

#include <algorithm>
#include <functional>
#include <optional>

namespace bk::server {
namespace {

constexpr std::int64_t kDay = 86400;

std::int64_t floor_divide(std::int64_t a, std::int64_t b) { return a / b - (a % b != 0 && a < 0 ? 1 : 0); }

// ISO weeks begin on Monday; 1970-01-01 was a Thursday.
std::int64_t week_of(Timestamp time) { return floor_divide(floor_divide(time.seconds, kDay) + 3, 7); }

std::int64_t month_of(Timestamp time) {
  const CivilTime civil = to_utc(time.seconds);
  return civil.year * 12 + civil.month - 1;
}

// Which hour, day … a moment lies in.
struct Rule {
  const char* name;
  int KeepPolicy::*count;
  std::int64_t (*period)(Timestamp);
};
constexpr std::array<Rule, 5> kRules{{
    {"hourly", &KeepPolicy::hourly, [](Timestamp t) { return floor_divide(t.seconds, 3600); }},
    {"daily", &KeepPolicy::daily, [](Timestamp t) { return floor_divide(t.seconds, kDay); }},
    {"weekly", &KeepPolicy::weekly, week_of},
    {"monthly", &KeepPolicy::monthly, month_of},
    {"yearly", &KeepPolicy::yearly, [](Timestamp t) { return to_utc(t.seconds).year; }},
}};

using Reasons = std::vector<std::vector<std::string>>;

void keep_by_period(const Rule& rule, int count, std::span<const RetainedSnapshot> snapshots, Reasons& out) {
  std::optional<std::int64_t> last;
  for (std::size_t i = snapshots.size(); i-- > 0 && count > 0;) {
    const std::int64_t period = rule.period(snapshots[i].began);
    const bool other = last != period;
    if (!other && i != 0) continue;
    out[i].emplace_back(other ? rule.name : "oldest");
    last = period;
    --count;
  }
}

void keep_complete(std::span<const RetainedSnapshot> snapshots, Reasons& out) {
  for (std::size_t i = snapshots.size(); i-- > 0;) {
    if (!snapshots[i].complete) continue;
    if (i + 1 != snapshots.size()) out[i].emplace_back("newest complete");
    return;
  }
}

int days_in(std::int64_t year, int month) {
  for (int day = 31; day > 28; --day) {
    if (from_utc({year, month, day})) return day;
  }
  return 28;
}

}  // namespace

Timestamp earlier(Timestamp from, const Span& span) {
  if (span.unit == 'd' || span.unit == 'w') {
    from.seconds -= span.count * (span.unit == 'w' ? 7 * kDay : kDay);
    return from;
  }
  CivilTime civil = to_utc(from.seconds);
  const std::int64_t months = civil.year * 12 + civil.month - 1 - span.count * (span.unit == 'y' ? 12 : 1);
  civil.year = floor_divide(months, 12);
  civil.month = static_cast<int>(months - civil.year * 12) + 1;
  civil.day = std::min(civil.day, days_in(civil.year, civil.month));
  from.seconds = from_utc(civil).value_or(INT64_MIN / 2);
  return from;
}

std::vector<std::vector<std::string>> choose_kept(const KeepPolicy& policy,
                                                  std::span<const RetainedSnapshot> snapshots) {
  Reasons out(snapshots.size());
  if (snapshots.empty()) return out;
  out.back().emplace_back("newest");
  keep_complete(snapshots, out);
  const Timestamp since = earlier(snapshots.back().began, policy.within);
  for (std::size_t i = 0; i < snapshots.size(); ++i) {
    if (snapshots[i].held) out[i].emplace_back("held");
    if (policy.all) out[i].emplace_back("all");
    if (snapshots.size() - i <= static_cast<std::size_t>(policy.last)) out[i].emplace_back("last");
    if (policy.within.count > 0 && snapshots[i].began >= since) out[i].emplace_back("within");
  }
  for (const Rule& rule : kRules) keep_by_period(rule, policy.*rule.count, snapshots, out);
  return out;
}

}  // namespace bk::server
