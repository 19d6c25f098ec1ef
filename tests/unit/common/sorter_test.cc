// Sorting in bounded memory.
#include "common/spill/sorter.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <random>
#include <string>
#include <vector>

namespace bk {
namespace {

std::vector<std::string> all_of(SortedRecords& records) {
  std::vector<std::string> out;
  while (const auto record = records.next()) out.emplace_back(*record);
  return out;
}

std::vector<std::string> random_records(std::size_t count, unsigned seed, std::size_t longest = 40) {
  std::mt19937 random(seed);
  std::vector<std::string> out(count);
  for (std::string& record : out) {
    record.resize(random() % longest);
    for (char& byte : record)
      byte = static_cast<char>(random() % 5 == 0 ? random() % 256 : 'a' + random() % 3);
  }
  return out;
}

class SorterTest : public ::testing::Test {
 protected:
  SortedRecords sorted(const std::vector<std::string>& records, std::size_t memory) {
    Sorter sorter(file_, memory);
    for (const std::string& record : records) sorter.add(record);
    return sorter.finish();
  }
  test::TempDir dir_;
  std::shared_ptr<SpillFile> file_ = std::make_shared<SpillFile>(dir_.path());
};

TEST_F(SorterTest, WhatFitsIsSortedByBytesAndTouchesNoDisk) {
  Sorter sorter(std::make_shared<SpillFile>("/nonexistent"), 1U << 20U);
  for (const char* record : {"b", "a\xff", "", "a", "aaaaaaaab", "aaaaaaaaa", "a"}) sorter.add(record);
  SortedRecords records = sorter.finish();
  EXPECT_TRUE(records.in_memory());
  EXPECT_EQ(all_of(records),
            (std::vector<std::string>{"", "a", "a", "aaaaaaaaa", "aaaaaaaab", "a\xff", "b"}));
  EXPECT_EQ(sorter.finish().size(), 0U);
}

TEST_F(SorterTest, ZeroBytesAndShortPrefixesKeepTheOrderOfBytes) {
  using namespace std::string_literals;
  std::vector<std::string> expected{""s,     "\0"s,  "\0\0"s,     "\0\1"s,       "a"s,        "a\0"s,
                                    "a\0b"s, "a\1"s, "abcdefgh"s, "abcdefgh\0"s, "abcdefghi"s};
  std::vector<std::string> mixed(expected.rbegin(), expected.rend());
  SortedRecords records = sorted(mixed, 1U << 20U);
  EXPECT_EQ(all_of(records), expected);
}

TEST_F(SorterTest, ManyTimesTheMemoryComesOutAsFromOneSort) {
  for (const std::size_t memory : {256U, 4096U, 100000U}) {  // the first makes runs of runs of runs
    std::vector<std::string> expected = random_records(20000, 7);
    SortedRecords records = sorted(expected, memory);
    EXPECT_FALSE(records.in_memory());
    std::sort(expected.begin(), expected.end());
    ASSERT_EQ(records.size(), expected.size());
    EXPECT_EQ(all_of(records), expected) << memory;
  }
}

TEST_F(SorterTest, LongRecordsAndBuffersThatEndWithinOne) {
  std::vector<std::string> expected = random_records(200, 3, 2000);
  expected.emplace_back(kMaxSortRecord, 'x');
  expected.emplace_back(kMaxSortRecord, 'a');
  SortedRecords records = sorted(expected, 10000);
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(all_of(records), expected);
}

TEST_F(SorterTest, ReadsAgainFromTheBeginningAndGoesOnWithoutItsBuffer) {
  std::vector<std::string> expected = random_records(5000, 11);
  SortedRecords records = sorted(expected, 4096);
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(all_of(records), expected);
  records.rewind();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (i % 97 == 0) records.drop_buffer();
    ASSERT_EQ(*records.peek(), expected[i]);
    ASSERT_EQ(*records.next(), expected[i]);
  }
  EXPECT_FALSE(records.next());
}

TEST_F(SorterTest, RecordsInMemoryMoveToTheFileInTheMiddleOfReading) {
  std::vector<std::string> expected = random_records(1000, 5);
  SortedRecords records = sorted(expected, 1U << 20U);
  std::sort(expected.begin(), expected.end());
  for (std::size_t i = 0; i < 400; ++i) ASSERT_EQ(*records.next(), expected[i]);
  records.spill(file_);
  EXPECT_FALSE(records.in_memory());
  EXPECT_LT(records.memory_bytes(), 1000U);
  for (std::size_t i = 400; i < 1000; ++i) ASSERT_EQ(*records.next(), expected[i]);
  EXPECT_FALSE(records.next());
  records.rewind();
  EXPECT_EQ(all_of(records), expected);
}

TEST_F(SorterTest, SeveralSortedSetsShareAFileAndRoomIsReused) {
  std::vector<std::string> a = random_records(3000, 1), b = random_records(3000, 2);
  SortedRecords first = sorted(a, 4096);
  for (int i = 0; i < 3; ++i) {
    SortedRecords second = sorted(b, 4096);
    std::vector<std::string> expected = b;
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(all_of(second), expected);
  }
  std::sort(a.begin(), a.end());
  EXPECT_EQ(all_of(first), a);
  EXPECT_TRUE(list_directory(dir_.path()).empty());
}

TEST_F(SorterTest, WithoutAFileItThrowsOrStaysInMemoryAsAsked) {
  const auto nowhere = std::make_shared<SpillFile>("/nonexistent");
  Sorter strict(nowhere, 1000);
  EXPECT_THROW(
      {
        for (int i = 0; i < 100; ++i) strict.add("a record that is long enough");
      },
      Error);
  std::vector<std::string> expected = random_records(3000, 9);
  Sorter lenient(nowhere, 1000, Sorter::WhenFull::KeepInMemory);
  for (const std::string& record : expected) lenient.add(record);
  SortedRecords records = lenient.finish();
  EXPECT_EQ(lenient.spill_error(), ENOENT);
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(all_of(records), expected);
}

}  // namespace
}  // namespace bk
