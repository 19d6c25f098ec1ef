#include "common/regex/regex.h"

#include <gtest/gtest.h>

namespace bk {
namespace {

bool matches(std::string_view pattern, std::string_view name) {
  std::string problem;
  const std::optional<Regex> regex = Regex::compile(pattern, problem);
  EXPECT_TRUE(regex) << pattern << ": " << problem;
  return regex && regex->match(name) == Regex::Answer::Yes;
}

std::string refusal(std::string_view pattern) {
  std::string problem;
  return Regex::compile(pattern, problem) ? "accepted" : problem;
}

TEST(Regex, APatternMatchesTheWholeNameOnly) {
  EXPECT_TRUE(matches("web[0-9]+", "web12"));
  EXPECT_FALSE(matches("web", "web1"));
  EXPECT_FALSE(matches("eb1", "web1"));
  EXPECT_TRUE(matches("a|ab", "ab")) << "the second branch is tried when the first is too short";
  EXPECT_FALSE(matches("a$", "a\n")) << "'$' is the end, not the end but for a newline";
  EXPECT_TRUE(matches("^a$", "a"));
}

TEST(Regex, TheNotationIsPythons) {
  EXPECT_TRUE(matches("(?P<x>a)(?P=x)", "aa"));
  EXPECT_TRUE(matches(R"((a|b)\1)", "bb"));
  EXPECT_TRUE(matches("(?!admin).*", "web"));
  EXPECT_FALSE(matches("(?!admin).*", "admin2"));
  EXPECT_TRUE(matches(".*(?<!x)", "aby"));
  EXPECT_TRUE(matches("a{,2}", "aa"));
  EXPECT_FALSE(matches("a{,2}", "a{,2}"));
  EXPECT_TRUE(matches("[{,]x", "{x"));
  EXPECT_TRUE(matches(R"(\{,x)", "{,x"));
  EXPECT_TRUE(matches(R"(\Aa\Z)", "a"));
  EXPECT_TRUE(matches("(?i)WEB", "web"));
  EXPECT_TRUE(matches("[]a]+", "]a"));
  EXPECT_TRUE(matches(R"(\w+\d)", "ab1"));
  EXPECT_FALSE(matches(R"(\w)", "\xe9")) << "bytes, not letters of a language";
}

TEST(Regex, ABadPatternIsNamedWithItsPlace) {
  EXPECT_EQ(refusal("a("), "missing closing parenthesis (behind byte 2)");
  EXPECT_NE(refusal("[z-a]"), "accepted");
  EXPECT_NE(refusal("*"), "accepted");
  EXPECT_NE(refusal("\\"), "accepted");
  EXPECT_EQ(refusal(std::string(1001, 'a')), "longer than 1000 bytes");
  EXPECT_NE(refusal(std::string(60, '(') + std::string(60, ')')), "accepted");
}

TEST(Regex, AnEndlessMatchIsGivenUp) {
  for (const char* pattern :
       {"(a+)+\\d", "(a|aa)+\\d", "(a*)*\\d", "(.*)*(.*)*(.*)*[^a]", "((?:a?){50}){50}b?\\d"}) {
    std::string problem;
    const std::optional<Regex> regex = Regex::compile(pattern, problem);
    ASSERT_TRUE(regex) << pattern << problem;
    EXPECT_NE(regex->match(std::string(1024, 'a')), Regex::Answer::Yes) << pattern;
  }
  std::string problem;
  EXPECT_EQ(Regex::compile("(a+)+\\d", problem)->match(std::string(1024, 'a')), Regex::Answer::Spent);
}

// 2^19 ways, each of them shallow and small: neither PCRE2's own limits nor those of depth and memory end it.
TEST(Regex, OurOwnLimitOfStepsEndsAMatch) {
  std::string problem;
  const std::optional<Regex> regex = Regex::compile("(a+)+\\d", problem);
  ASSERT_TRUE(regex);
  EXPECT_EQ(regex->match(std::string(18, 'a')), Regex::Answer::Spent);
  EXPECT_EQ(regex->match(std::string(8, 'a')), Regex::Answer::No);
}

}  // namespace
}  // namespace bk
