#include "common/time/time.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace bk {
namespace {

TEST(Time, KnownMoments) {
  EXPECT_EQ(to_text({0, 0}), "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(to_text({-1, 999999999}), "1969-12-31T23:59:59.999999999Z");
  EXPECT_EQ(to_text({951782400, 1}), "2000-02-29T00:00:00.000000001Z");
  EXPECT_EQ(to_text({9223372037, 0}),
            "2262-04-11T23:47:17.000000000Z");  // behind the end of int64 nanoseconds
  EXPECT_EQ(to_text({253402300800, 0}), "10000-01-01T00:00:00.000000000Z");
  EXPECT_EQ(to_text({-62167219200, 0}), "0000-01-01T00:00:00.000000000Z");
  EXPECT_EQ(to_text({-62167219201, 0}), "-0001-12-31T23:59:59.000000000Z");
}

TEST(Time, EveryMomentSurvivesItsText) {
  std::mt19937_64 random(1);
  constexpr auto kLow = std::numeric_limits<std::int64_t>::min();
  constexpr auto kHigh = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t s :
       {kLow, kLow + 1, kLow + 86399, kLow + 86400, kHigh, kHigh - 86400, std::int64_t{-1}}) {
    const Timestamp t{s, 7};
    EXPECT_EQ(parse_timestamp(to_text(t)), t) << s;
  }
  for (int i = 0; i < 20000; ++i) {
    const Timestamp t{static_cast<std::int64_t>(random()) >> (i % 60),
                      static_cast<std::uint32_t>(random() % 1000000000)};
    ASSERT_EQ(parse_timestamp(to_text(t)), t) << t.seconds;
  }
}

TEST(Time, DatesFollowEachOtherWithoutGap) {
  CivilTime before = to_utc(-800 * 366 * 86400LL);
  for (std::int64_t day = -800 * 366 + 1; day < 800 * 366; day += 1) {
    const CivilTime now = to_utc(day * 86400);
    const bool next_day = now.day == before.day + 1 && now.month == before.month && now.year == before.year;
    const bool next_month =
        now.day == 1 && (now.month == before.month + 1 || (now.month == 1 && before.month == 12));
    ASSERT_TRUE(next_day || next_month) << day;
    ASSERT_EQ(from_utc(now), day * 86400);
    before = now;
  }
}

TEST(Time, ShorterFractionsAreRead) {
  EXPECT_EQ(parse_timestamp("1970-01-01T00:00:01Z"), (Timestamp{1, 0}));
  EXPECT_EQ(parse_timestamp("1970-01-01T00:00:01.5Z"), (Timestamp{1, 500000000}));
}

TEST(Time, AnythingElseIsNoTime) {
  for (const char* bad : {"",
                          "Z",
                          "1970",
                          "1970-01-01",
                          "1970-01-01T00:00:00",
                          "1970-01-01 00:00:00Z",
                          "1970-13-01T00:00:00Z",
                          "1970-02-29T00:00:00Z",
                          "1900-02-29T00:00:00Z",
                          "1970-01-01T24:00:00Z",
                          "1970-01-01T00:00:60Z",
                          "1970-01-01T00:00:00.Z",
                          "1970-01-01T00:00:00.1234567890Z",
                          "1970-01-01T00:00:00,5Z",
                          "01970-01-01T00:00:00Z",
                          "970-01-01T00:00:00Z",
                          "-0000-01-01T00:00:00Z",
                          "+1970-01-01T00:00:00Z",
                          "1970-1-1T00:00:00Z",
                          "1970-01-01T00:00:00.5ZZ",
                          "999999999999999-01-01T00:00:00Z",
                          "1970-01-01T00:00:00.-1Z"})
    EXPECT_EQ(parse_timestamp(bad), std::nullopt) << bad;
}

TEST(Time, AddingCarriesNanoseconds) {
  EXPECT_EQ((Timestamp{5, 999999999}.plus(std::chrono::nanoseconds(2))), (Timestamp{6, 1}));
  EXPECT_EQ((Timestamp{5, 1}.plus(std::chrono::nanoseconds(-2))), (Timestamp{4, 999999999}));
  EXPECT_EQ((Timestamp{0, 0}.plus(std::chrono::hours(-24))), (Timestamp{-86400, 0}));
}

}  // namespace
}  // namespace bk
