#include "common/time/time.h"

#include "common/text/number.h"

#include <fmt/format.h>

#include <cstdlib>
#include <ctime>

namespace bk {
namespace {

// Days since 1970-01-01 of a proleptic Gregorian date, and back.  Years are shifted to begin in March so that
// the leap day is the last of its year; 146,097 days make an era of 400 years.
std::int64_t days_of(std::int64_t year, int month, int day) {
  if (month <= 2) --year;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const std::int64_t in_era = year - era * 400;
  const std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + day_of_year - 719468;
}

void date_of(std::int64_t days, CivilTime& out) {
  days += 719468;
  const std::int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  const std::int64_t of_era = days - era * 146097;
  const std::int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  const std::int64_t day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t shifted = (5 * day_of_year + 2) / 153;
  out.day = static_cast<int>(day_of_year - (153 * shifted + 2) / 5 + 1);
  out.month = static_cast<int>(shifted < 10 ? shifted + 3 : shifted - 9);
  out.year = year_of_era + era * 400 + (out.month <= 2 ? 1 : 0);
}

bool is_leap(std::int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

int days_in(std::int64_t year, int month) {
  static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && is_leap(year) ? 29 : kDays[month - 1];
}

std::optional<int> two_digits(std::string_view text, std::size_t at) {
  if (at + 2 > text.size() || text[at] < '0' || text[at] > '9' || text[at + 1] < '0' || text[at + 1] > '9')
    return std::nullopt;
  return (text[at] - '0') * 10 + (text[at + 1] - '0');
}

}  // namespace

Timestamp Timestamp::plus(std::chrono::nanoseconds span) const {
  constexpr std::int64_t kSecond = 1'000'000'000;
  std::int64_t whole = span.count() / kSecond;
  std::int64_t rest = span.count() % kSecond + nanoseconds;
  if (rest < 0) {
    rest += kSecond;
    --whole;
  } else if (rest >= kSecond) {
    rest -= kSecond;
    ++whole;
  }
  return {seconds + whole, static_cast<std::uint32_t>(rest)};
}

CivilTime to_utc(std::int64_t seconds) {
  std::int64_t days = seconds / 86400;
  std::int64_t rest = seconds % 86400;
  if (rest < 0) {
    rest += 86400;
    --days;
  }
  CivilTime out;
  date_of(days, out);
  out.hour = static_cast<int>(rest / 3600);
  out.minute = static_cast<int>(rest / 60 % 60);
  out.second = static_cast<int>(rest % 60);
  return out;
}

std::optional<std::int64_t> from_utc(const CivilTime& c) {
  if (c.month < 1 || c.month > 12 || c.day < 1 || c.day > days_in(c.year, c.month)) return std::nullopt;
  if (c.hour < 0 || c.hour > 23 || c.minute < 0 || c.minute > 59 || c.second < 0 || c.second > 59)
    return std::nullopt;
  // Years whose seconds fit 64 bits, or nearly: the rest is found by the overflow checks.
  if (c.year < -300'000'000'000 || c.year > 300'000'000'000) return std::nullopt;
  std::int64_t days = days_of(c.year, c.month, c.day);
  std::int64_t rest = c.hour * 3600 + c.minute * 60 + c.second;
  // Counted back from the next midnight: the first day that 64 bits can hold is not whole.
  if (days < 0) {
    ++days;
    rest -= 86400;
  }
  std::int64_t seconds = 0;
  if (__builtin_mul_overflow(days, std::int64_t{86400}, &seconds) ||
      __builtin_add_overflow(seconds, rest, &seconds))
    return std::nullopt;
  return seconds;
}

std::string to_text(Timestamp time) {
  const CivilTime c = to_utc(time.seconds);
  return fmt::format("{}{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", c.year < 0 ? "-" : "", std::abs(c.year),
                     c.month, c.day, c.hour, c.minute, c.second, time.nanoseconds);
}

std::optional<Timestamp> parse_timestamp(std::string_view text) {
  const std::size_t dash = text.find('-', 1);
  if (dash == std::string_view::npos || text.back() != 'Z') return std::nullopt;
  std::string_view year_text = text.substr(0, dash);
  const bool negative = year_text.front() == '-';
  if (negative) year_text.remove_prefix(1);
  // One spelling for a year: four digits, or more without a leading zero, and no minus zero.
  if (year_text.size() < 4 || (year_text.size() > 4 && year_text.front() == '0')) return std::nullopt;
  if (negative && year_text == "0000") return std::nullopt;
  while (year_text.size() > 1 && year_text.front() == '0') year_text.remove_prefix(1);
  const std::optional<std::int64_t> year = parse_int<std::int64_t>(year_text, 0);
  const std::string_view rest = text.substr(dash + 1, text.size() - dash - 2);  // "MM-DDTHH:MM:SS[.fraction]"
  if (!year || rest.size() < 14 || rest[2] != '-' || rest[5] != 'T' || rest[8] != ':' || rest[11] != ':')
    return std::nullopt;
  const std::optional<int> month = two_digits(rest, 0), day = two_digits(rest, 3), hour = two_digits(rest, 6),
                           minute = two_digits(rest, 9), second = two_digits(rest, 12);
  if (!month || !day || !hour || !minute || !second) return std::nullopt;
  const std::optional<std::int64_t> seconds =
      from_utc({negative ? -*year : *year, *month, *day, *hour, *minute, *second});
  if (!seconds) return std::nullopt;
  Timestamp out{*seconds, 0};
  if (rest.size() > 14) {
    const std::string_view fraction = rest.substr(15);
    if (rest[14] != '.' || fraction.empty() || fraction.size() > 9) return std::nullopt;
    for (std::size_t i = 0; i < 9; ++i) {
      const char c = i < fraction.size() ? fraction[i] : '0';
      if (c < '0' || c > '9') return std::nullopt;
      out.nanoseconds = out.nanoseconds * 10 + static_cast<std::uint32_t>(c - '0');
    }
  }
  return out;
}

Timestamp SystemClock::now() const {
  timespec t{};
  ::clock_gettime(CLOCK_REALTIME, &t);
  return {t.tv_sec, static_cast<std::uint32_t>(t.tv_nsec)};
}

}  // namespace bk
