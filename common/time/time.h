// Points in time as (seconds, nanoseconds) since 1970-01-01 UTC, for every year a file system can hold.
//
// int64 nanoseconds would end in 2262; file times beyond that exist, so seconds and nanoseconds stay apart.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bk {

struct Timestamp {
  std::int64_t seconds = 0;
  std::uint32_t nanoseconds = 0;  // 0..999,999,999, always counted forward from `seconds`
  auto operator<=>(const Timestamp&) const = default;
  [[nodiscard]] Timestamp plus(std::chrono::nanoseconds span) const;
};

// "2026-07-13T22:04:09.123456789Z"; years before 0 have a sign ("-0044"), years above 9999 more digits.
[[nodiscard]] std::string to_text(Timestamp time);
// The inverse; nothing for anything else (the fraction may be absent or shorter than nine digits).
[[nodiscard]] std::optional<Timestamp> parse_timestamp(std::string_view text);

struct CivilTime {
  std::int64_t year = 1970;
  int month = 1, day = 1, hour = 0, minute = 0, second = 0;
};
[[nodiscard]] CivilTime to_utc(std::int64_t seconds);
// Nothing for an impossible date.
[[nodiscard]] std::optional<std::int64_t> from_utc(const CivilTime& civil);

// The clock, injected: retry, backoff, expiry and retention are tested without sleeping.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Timestamp now() const = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] Timestamp now() const override;
};

}  // namespace bk
