#include "common/path/names.h"
#include "common/text/escape.h"
#include "common/text/number.h"
#include "common/text/screen.h"

#include <gtest/gtest.h>

namespace bk {
namespace {

std::string every_byte() {
  std::string out;
  for (int b = 0; b < 256; ++b) out += static_cast<char>(b);
  return out;
}

TEST(Escape, EveryByteSurvivesEveryForm) {
  const std::string all = every_byte();
  EXPECT_EQ(percent_decode(percent_encode(all)), all);
  EXPECT_EQ(base64url_decode(base64url_encode(all)), all);
  EXPECT_EQ(hex_decode(hex_encode(all)), all);
  for (std::size_t n = 0; n < 5; ++n)
    EXPECT_EQ(base64url_decode(base64url_encode(all.substr(250, n))), all.substr(250, n));
}

TEST(Escape, PercentFormIsPrintableAndHasNoBlank) {
  for (const char c : percent_encode(every_byte())) EXPECT_TRUE(c > 0x20 && c < 0x7f);
}

TEST(Escape, OnlyTheOneSpellingIsDecoded) {
  for (const char* bad : {"%61", "%c3", "%", "%C", "a b", "\n", "%0", "caf\xc3\xa9", "%2G"})
    EXPECT_EQ(percent_decode(bad), std::nullopt) << bad;
  for (const char* bad : {"Zg", "Zg=", "Zh==", "Z===", "Zm9v=", "Zm+v", "Zm9v\n", "=", "====", "Zg==Zg=="})
    EXPECT_EQ(base64url_decode(bad), std::nullopt) << bad;
  for (const char* bad : {"0", "0G", "AB", " 0"}) EXPECT_EQ(hex_decode(bad), std::nullopt) << bad;
  EXPECT_EQ(base64url_decode("Zg=="), "f");
  EXPECT_EQ(base64url_decode(""), "");
  EXPECT_EQ(percent_decode("%25%C3"), "%\xc3");
}

TEST(Escape, QuotedTextIsOneLineWithoutControlBytes) {
  EXPECT_EQ(bk::quoted("a\"b\\c\n\t\x1b\xff"), "\"a\\\"b\\\\c\\n\\t\\x1b\\xff\"");
  for (const char c : bk::quoted(every_byte())) EXPECT_TRUE(c >= 0x20 && c < 0x7f);
}

TEST(Number, TheWholeTextInOneSpelling) {
  EXPECT_EQ(parse_int<int>("0"), 0);
  EXPECT_EQ(parse_int<int>("-17"), -17);
  EXPECT_EQ(parse_int<std::uint64_t>("18446744073709551615"), UINT64_MAX);
  for (const char* bad : {"", "-", "+1", " 1", "1 ", "01", "-0", "-01", "0x1", "1e3", "18446744073709551616"})
    EXPECT_EQ(parse_int<std::uint64_t>(bad), std::nullopt) << bad;
  EXPECT_EQ(parse_int<int>("11", 0, 10), std::nullopt);
  EXPECT_EQ(parse_int<unsigned>("-1"), std::nullopt);
}

TEST(Names, SafeNamesMatchInFull) {
  for (const char* good : {"a", "web1", "Web-1_x.example", "0"}) EXPECT_TRUE(is_safe_name(good)) << good;
  EXPECT_TRUE(is_safe_name(std::string(64, 'a')));
  for (const char* bad : {"", ".a", "-a", "_a", "a..b", "a/b", "a b", "a\n", "a$", "\xc3\xa9", "a:b"})
    EXPECT_FALSE(is_safe_name(bad)) << bad;
  EXPECT_FALSE(is_safe_name(std::string(65, 'a')));
  EXPECT_FALSE(is_safe_name(std::string("a\0b", 3)));
}

TEST(Names, CleanAbsolutePathsHaveOneSpelling) {
  for (const char* good : {"/", "/a", "/a/.b", "/a/..b", "/a\n/ \xff"})
    EXPECT_TRUE(is_clean_absolute(good)) << good;
  for (const char* bad : {"", "a", "//", "/a/", "/a//b", "/./a", "/a/..", "/../a", "/a/../b"})
    EXPECT_FALSE(is_clean_absolute(bad)) << bad;
  EXPECT_FALSE(is_clean_absolute(std::string("/a\0b", 4)));
  EXPECT_FALSE(is_clean_absolute("/" + std::string(256, 'a')));
  std::string deep;
  while (deep.size() < 4096) deep += "/a";
  EXPECT_TRUE(is_clean_absolute(deep));
  EXPECT_FALSE(is_clean_absolute(deep + "/a"));
}

TEST(Names, RelativePathsStayBelow) {
  EXPECT_TRUE(RelPath::from("")->empty());
  EXPECT_EQ(RelPath::from("a/b")->bytes(), "a/b");
  for (const char* bad : {"/", "/a", "a/", "..", "a/..", "a//b", ".", "./a"})
    EXPECT_FALSE(RelPath::from(bad)) << bad;
}

TEST(Screen, ALineIsCutInTheMiddleOfItsNameAndNeverInItsNumbers) {
  const std::string name = "web1 directories \"/srv/" + std::string(60, 'a') + "/the/end\"";
  const std::string numbers =
      "12,345,678 directories, 123,456 files read, 123.4 GB, 100.0 MB/s, about 12 h left";
  const std::string line = fitted(name + ": " + numbers, 79);
  EXPECT_EQ(line.size(), 79U);
  EXPECT_EQ(line, "web1 d../end\": 12,345,678 dirs, 123,456 files, 123.4 GB, 100.0 MB/s, ~12 h left");
  EXPECT_EQ(fitted(name + ": 7.8 MB, 4.5 MB/s", 50), "web1 directorie..aaaaaa/the/end\": 7.8 MB, 4.5 MB/s");
  EXPECT_EQ(fitted("short: 1 MB", 79), "short: 1 MB");
  EXPECT_EQ(fitted(name + ": " + numbers, 40), "12,345,678 dirs, 123,456 files, 123.4 GB");
  EXPECT_EQ(fitted("no colon here", 5), "no co");
  EXPECT_EQ(fitted("\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f\xc3\xa4\xc3\xb6\xc3\xbc: 1 MB", 12),
            "\xc3\xa4\xc3\xb6..\xc3\xb6\xc3\xbc: 1 MB");
}

}  // namespace
}  // namespace bk
