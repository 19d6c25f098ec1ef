#include "server/bkdb/time_range.h"

#include "common/error/error.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

namespace bk::bkdb {
namespace {

const Timestamp kNow = *parse_timestamp("2013-09-20T12:00:00Z");

std::int64_t at(const char* text) { return parse_timestamp(text)->seconds; }

TimeRange parsed(std::string_view text) { return parse_time_range(text, kNow, Zone::Utc); }

std::string complaint(std::string_view text) {
  try {
    (void)parsed(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Usage);
    return error.what();
  }
  return "accepted";
}

// Positions of five snapshots: 1 to 5 September, the third with a fraction of a second.
std::vector<std::size_t> chosen(std::string_view text) {
  std::vector<Timestamp> times;
  for (int day = 1; day <= 5; ++day)
    times.push_back({at("2013-09-01T00:00:00Z") + (day - 1) * 86400, day == 3 ? 999'999'999U : 0U});
  return select(parsed(text), times);
}
using Positions = std::vector<std::size_t>;

TEST(TimeRangeGrammar, OneTimeWithEachOperator) {
  EXPECT_EQ(parsed("=2013-09-05 01:35:30"),
            (TimeRange{TimeRange::Kind::At, at("2013-09-05T01:35:30Z"), 0, {}}));
  EXPECT_EQ(parsed(">2013-09-05").kind, TimeRange::Kind::After);
  EXPECT_EQ(parsed("<2013-09-05").kind, TimeRange::Kind::Before);
}

TEST(TimeRangeGrammar, MissingDatePartsAreThoseOfToday) {
  EXPECT_EQ(parsed("=5").first, at("2013-09-05T00:00:00Z"));
  EXPECT_EQ(parsed("=2-5").first, at("2013-02-05T00:00:00Z"));
}

TEST(TimeRangeGrammar, MissingTimePartsAreZero) {
  EXPECT_EQ(parsed("=2013-09-05").first, at("2013-09-05T00:00:00Z"));
  EXPECT_EQ(parsed("=2013-09-05 7").first, at("2013-09-05T07:00:00Z"));
  EXPECT_EQ(parsed("=2013-09-05 7:08").first, at("2013-09-05T07:08:00Z"));
}

TEST(TimeRangeGrammar, FieldsWrittenAsZeroAreAccepted) {  // B004-2
  EXPECT_EQ(parsed(">2013-09-03 01:00:00").first, at("2013-09-03T01:00:00Z"));
  EXPECT_EQ(parsed(">2013-09-02 00:30").first, at("2013-09-02T00:30:00Z"));
  EXPECT_EQ(parsed("=2013-09-02 00:00:00").first, at("2013-09-02T00:00:00Z"));
}

TEST(TimeRangeGrammar, TwoDigitYearIsLiteral) {
  EXPECT_EQ(parsed("=13-1-1").first, at("0013-01-01T00:00:00Z"));
}

TEST(TimeRangeGrammar, ExactlyOneSpaceBetweenDateAndTime) {
  EXPECT_NE(complaint("=2013-09-05  01:00"), "accepted");
  EXPECT_NE(complaint("=2013-09-05T01:00"), "accepted");
  EXPECT_NE(complaint("=2013-09-05\t01:00"), "accepted");
}

TEST(TimeRangeGrammar, FourDatePartsOrFourTimePartsAreWrong) {
  EXPECT_NE(complaint("=1-2013-09-05"), "accepted");
  EXPECT_NE(complaint("=2013-09-05 1:2:3:4"), "accepted");
}

TEST(TimeRangeGrammar, ImpossibleDatesAreWrong) {
  for (const char* text :
       {"=2013-02-29", "=2013-13-01", "=2013-00-01", "=0", "=5 24:00", "=5 00:60", "=2013-9-31"})
    EXPECT_NE(complaint(text).find("no possible date"), std::string::npos) << text << ": " << complaint(text);
}

TEST(TimeRangeGrammar, SpacesAroundTheCommaAndAfterAnOperator) {
  EXPECT_EQ(parsed("> 2013-09-01 , 3"),
            (TimeRange{TimeRange::Kind::After, at("2013-09-01T00:00:00Z"), 0, 3}));
  EXPECT_EQ(parsed("> 1 , < 3").kind, TimeRange::Kind::Between);
}

TEST(TimeRangeGrammar, CountMustBeDigits) {
  EXPECT_EQ(parsed(">1,0").count, 0U);
  for (const char* text : {">1,-1", ">1,x", ">1,", ">1,1.5", ">1,+2", ">1,99999999999999999999"})
    EXPECT_NE(complaint(text), "accepted") << text;
}

TEST(TimeRangeGrammar, OpenIntervalEitherWayRound) {
  EXPECT_EQ(parsed(">1,<3"), parsed("<3,>1"));
  EXPECT_NE(complaint(">3,<1").find("(BadRange)"), std::string::npos);
  EXPECT_NE(complaint(">3,<3").find("(BadRange)"), std::string::npos);
}

TEST(TimeRangeGrammar, ForbiddenCombinations) {
  for (const char* text :
       {">1,>2", "<1,<2", "=1,3", "=1,<2", ">1,=2", ">1,<3,4", "", "5", "=", ">", "<,", "=a", "==1"})
    EXPECT_NE(complaint(text).find("bad datetime range"), std::string::npos) << text;
}

TEST(TimeRangeSelection, AtMatchesTheWholeSecond) { EXPECT_EQ(chosen("=2013-09-03"), Positions({2})); }

TEST(TimeRangeSelection, AtADayMeansMidnightAndNotAnyTimeThatDay) {
  EXPECT_EQ(chosen("=2013-09-03 00:00:01"), Positions({}));
}

TEST(TimeRangeSelection, AfterIsStrictAndOldestFirst) { EXPECT_EQ(chosen(">2013-09-03"), Positions({3, 4})); }

TEST(TimeRangeSelection, BeforeIsStrictAndNewestFirst) {
  EXPECT_EQ(chosen("<2013-09-03"), Positions({1, 0}));
}

TEST(TimeRangeSelection, CountTakesThoseNearest) {
  EXPECT_EQ(chosen(">2013-09-01,2"), Positions({1, 2}));
  EXPECT_EQ(chosen("<2013-09-05,2"), Positions({3, 2}));
  EXPECT_EQ(chosen("<2013-09-05,0"), Positions({}));
}

TEST(TimeRangeSelection, IntervalIsOpenAndNewestFirst) {
  EXPECT_EQ(chosen(">2013-09-01,<2013-09-05"), Positions({3, 2, 1}));
  EXPECT_EQ(chosen("<2013-09-05,>2013-09-01"), Positions({3, 2, 1}));
}

TEST(TimeRangeZone, LocalTimesAreReadInTheLocalZone) {
  ::setenv("TZ", "EST5EDT", 1);
  ::tzset();
  EXPECT_EQ(parse_time_range("=2013-01-05 01:00", kNow, Zone::Local).first, at("2013-01-05T06:00:00Z"));
  EXPECT_EQ(shown_time({at("2013-07-05T06:00:00Z"), 0}, Zone::Local), "2013-07-05 02:00:00");
  ::unsetenv("TZ");
  ::tzset();
}

}  // namespace
}  // namespace bk::bkdb
