#include "server/bkdb/data_index.h"

#include "common/error/error.h"

#include <gtest/gtest.h>

namespace bk::bkdb {
namespace {

using Numbers = std::vector<std::size_t>;

std::string complaint(std::string_view text, std::size_t sources = 3) {
  try {
    (void)parse_data_index(text, sources);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Usage);
    return error.what();
  }
  return "accepted";
}

TEST(DataIndex, OneNumber) { EXPECT_EQ(parse_data_index("1", 3), Numbers({1})); }

TEST(DataIndex, NumbersAreSortedAndDuplicatesHarmless) {
  EXPECT_EQ(parse_data_index("2,0,2", 3), Numbers({0, 2}));
}

TEST(DataIndex, SpacesAroundNumbersAreAllowed) { EXPECT_EQ(parse_data_index(" 0 , 2 ", 3), Numbers({0, 2})); }

TEST(DataIndex, TrailingCommaEmptyAndWordsAreInvalid) {
  for (const char* text : {"0,1,", "", ",", "a", "1x", "0 1", "+1", "0;1"})
    EXPECT_NE(complaint(text).find("invalid data source index"), std::string::npos) << text;
}

TEST(DataIndex, OutOfRangeSaysHowManyThereAre) {
  EXPECT_NE(complaint("3").find("there are 3 sources"), std::string::npos);
  EXPECT_NE(complaint("99999999999999999999").find("bad data source index"), std::string::npos);
}

}  // namespace
}  // namespace bk::bkdb
