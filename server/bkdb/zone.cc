#include "server/bkdb/zone.h"

#include <fmt/format.h>

#include <ctime>

namespace bk::bkdb {

CivilTime to_civil(std::int64_t seconds, Zone zone) {
  if (zone == Zone::Utc) return to_utc(seconds);
  const std::time_t at = static_cast<std::time_t>(seconds);
  std::tm broken{};
  if (::localtime_r(&at, &broken) == nullptr)
    return to_utc(seconds);  // a year beyond int: UTC is better than none
  return {broken.tm_year + std::int64_t{1900},
          broken.tm_mon + 1,
          broken.tm_mday,
          broken.tm_hour,
          broken.tm_min,
          broken.tm_sec};
}

std::optional<std::int64_t> from_civil(const CivilTime& civil, Zone zone) {
  // from_utc is the judge of possible dates: mktime would quietly turn 31 June into 1 July.
  const std::optional<std::int64_t> as_utc = from_utc(civil);
  if (!as_utc || zone == Zone::Utc) return as_utc;
  if (civil.year < 0 || civil.year > 100000) return std::nullopt;
  std::tm broken{};
  broken.tm_year = static_cast<int>(civil.year - 1900);
  broken.tm_mon = civil.month - 1;
  broken.tm_mday = civil.day;
  broken.tm_hour = civil.hour;
  broken.tm_min = civil.minute;
  broken.tm_sec = civil.second;
  broken.tm_isdst = -1;
  return static_cast<std::int64_t>(std::mktime(&broken));
}

std::string shown_time(Timestamp time, Zone zone) {
  const CivilTime t = to_civil(time.seconds, zone);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", t.year, t.month, t.day, t.hour, t.minute,
                     t.second);
}

std::string compact_time(Timestamp time) {
  const CivilTime t = to_utc(time.seconds);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", t.year, t.month, t.day, t.hour, t.minute, t.second);
}

}  // namespace bk::bkdb
