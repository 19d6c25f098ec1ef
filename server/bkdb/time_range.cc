#include "server/bkdb/time_range.h"

#include "common/error/error.h"
#include "common/text/escape.h"

#include <algorithm>
#include <charconv>
#include <string>

namespace bk::bkdb {
namespace {

// Why a text is no range; parse_time_range puts the text in front.
struct Bad {
  std::string reason;
};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

// Leading zeros are fine: "09" and "00" are how people write hours (B004-2).
int parse_field(std::string_view text, std::string_view whole) {
  int value = 0;
  if (!all_digits(text) || text.size() > 6) throw Bad{"\"" + std::string(whole) + "\" is not a date or time"};
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

void parse_date(std::string_view text, CivilTime& out) {
  const std::vector<std::string_view> parts = split(text, '-');
  if (parts.size() > 3) throw Bad{"a date has at most three parts, YYYY-MM-DD"};
  out.day = parse_field(parts.back(), text);
  if (parts.size() > 1) out.month = parse_field(parts[parts.size() - 2], text);
  if (parts.size() > 2) out.year = parse_field(parts[0], text);
}

void parse_time_of_day(std::string_view text, CivilTime& out) {
  const std::vector<std::string_view> parts = split(text, ':');
  if (parts.size() > 3) throw Bad{"a time has at most three parts, hh:mm:ss"};
  out.hour = parse_field(parts[0], text);
  if (parts.size() > 1) out.minute = parse_field(parts[1], text);
  if (parts.size() > 2) out.second = parse_field(parts[2], text);
}

std::int64_t parse_point(std::string_view text, Timestamp now, Zone zone) {
  text = trimmed(text);
  CivilTime civil = to_civil(now.seconds, zone);
  civil.hour = civil.minute = civil.second = 0;
  const std::size_t space = text.find(' ');
  parse_date(text.substr(0, space), civil);
  if (space != std::string_view::npos) parse_time_of_day(text.substr(space + 1), civil);
  const std::optional<std::int64_t> seconds = from_civil(civil, zone);
  if (!seconds) throw Bad{"\"" + std::string(text) + "\" is no possible date and time"};
  return *seconds;
}

std::uint64_t parse_count(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (!all_digits(text) || code != std::errc() || end != text.data() + text.size())
    throw Bad{"behind the comma stands a count, or the other end such as <2013-09-06"};
  return value;
}

TimeRange parse_between(std::string_view a, std::string_view b, Timestamp now, Zone zone) {
  if (a.front() == '=' || b.front() == '=' || a.front() == b.front())
    throw Bad{"two ends are written >A,<B or <B,>A"};
  if (a.front() == '<') std::swap(a, b);
  TimeRange range{
      TimeRange::Kind::Between, parse_point(a.substr(1), now, zone), parse_point(b.substr(1), now, zone), {}};
  if (range.first >= range.second) throw Bad{"the earlier end is not before the later one (BadRange)"};
  return range;
}

TimeRange parse(std::string_view text, Timestamp now, Zone zone) {
  if (!is_time_range(text)) throw Bad{"a range begins with =, > or <"};
  const std::vector<std::string_view> parts = split(text, ',');
  if (parts.size() > 2) throw Bad{"a range has at most two parts"};
  const char op = text.front();
  if (parts.size() == 2) {
    const std::string_view behind = trimmed(parts[1]);
    if (is_time_range(behind)) return parse_between(trimmed(parts[0]), behind, now, zone);
    if (op == '=') throw Bad{"= takes one time and nothing else"};
  }
  TimeRange range;
  range.kind = op == '=' ? TimeRange::Kind::At : op == '>' ? TimeRange::Kind::After : TimeRange::Kind::Before;
  range.first = parse_point(parts[0].substr(1), now, zone);
  if (parts.size() == 2) range.count = parse_count(trimmed(parts[1]));
  return range;
}

bool matches(const TimeRange& range, std::int64_t seconds) {
  switch (range.kind) {
    case TimeRange::Kind::At:
      return seconds == range.first;
    case TimeRange::Kind::After:
      return seconds > range.first;
    case TimeRange::Kind::Before:
      return seconds < range.first;
    case TimeRange::Kind::Between:
      return seconds > range.first && seconds < range.second;
  }
  return false;
}

}  // namespace

bool is_time_range(std::string_view text) {
  return !text.empty() && (text.front() == '=' || text.front() == '>' || text.front() == '<');
}

TimeRange parse_time_range(std::string_view text, Timestamp now, Zone zone) {
  try {
    return parse(text, now, zone);
  } catch (const Bad& bad) {
    throw Error(Kind::Usage, "bad datetime range " + quoted(text) + ": " + bad.reason);
  }
}

std::vector<std::size_t> select(const TimeRange& range, std::span<const Timestamp> times) {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < times.size(); ++i)
    if (matches(range, times[i].seconds)) out.push_back(i);
  if (range.kind != TimeRange::Kind::After) std::reverse(out.begin(), out.end());
  if (range.count && out.size() > *range.count) out.resize(*range.count);
  return out;
}

}  // namespace bk::bkdb
