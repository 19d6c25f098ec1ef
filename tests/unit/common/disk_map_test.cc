// Tables that outgrow their memory.
#include "common/spill/disk_map.h"

#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace bk::test {
namespace {

std::string number(std::uint64_t n) { return {reinterpret_cast<const char*>(&n), sizeof n}; }

TEST(DiskMap, StaysInMemoryWhileItIsSmall) {
  TempDir dir;
  DiskMap map(dir.file("is never made"), 1U << 20U);
  EXPECT_TRUE(map.insert("a", "1"));
  EXPECT_FALSE(map.insert("a", "2"));
  EXPECT_EQ(map.get("a"), "1");
  map.put("a", "3");
  EXPECT_EQ(map.get("a"), "3");
  EXPECT_TRUE(map.erase("a"));
  EXPECT_FALSE(map.erase("a"));
  EXPECT_EQ(map.get("a"), std::nullopt);
  EXPECT_EQ(map.size(), 0U);
  EXPECT_TRUE(map.in_memory());
}

TEST(DiskMap, AnswersTheSameFromTheDisk) {
  TempDir dir;
  DiskMap map(dir.path(), 10'000);
  std::map<std::string, std::string> expected;
  for (std::uint64_t i = 0; i < 30'000; ++i) {
    const std::string key = number(i * i % 20'011) + std::string(i % 7, 'k');
    const std::string value(i % 97 == 0 ? 3000 : i % 50, static_cast<char>(i));
    if (i % 3 == 0) {
      map.put(key, value);
      expected[key] = value;
    } else if (i % 11 == 0) {
      EXPECT_EQ(map.erase(key), expected.erase(key) > 0);
    } else {
      EXPECT_EQ(map.insert(key, value), expected.try_emplace(key, value).second);
    }
  }
  EXPECT_FALSE(map.in_memory());
  EXPECT_EQ(map.size(), expected.size());
  for (std::uint64_t i = 0; i < 20'011; ++i) {
    const auto found = expected.find(number(i));
    EXPECT_EQ(map.get(number(i)), found == expected.end() ? std::nullopt : std::optional(found->second));
    EXPECT_EQ(map.contains(number(i)), found != expected.end());
  }
  EXPECT_EQ(map.get("never put"), std::nullopt);
}

TEST(DiskMap, KeepsEmptyAndLongValues) {
  TempDir dir;
  DiskMap map(dir.path(), 0);
  const std::string huge(3'000'000, 'x');
  EXPECT_TRUE(map.insert("", ""));
  EXPECT_TRUE(map.insert(std::string(65'535, 'k'), huge));
  EXPECT_TRUE(map.insert("after", "it"));
  EXPECT_EQ(map.get(""), "");
  EXPECT_EQ(map.get(std::string(65'535, 'k')), huge);
  EXPECT_EQ(map.get("after"), "it");
}

}  // namespace
}  // namespace bk::test
