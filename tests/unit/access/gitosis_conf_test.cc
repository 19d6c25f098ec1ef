#include "server/access/gitosis_conf.h"

#include "common/error/error.h"
#include "common/io/file.h"

#include <gtest/gtest.h>

namespace bk::server {
namespace {

GitosisConf parse(std::string_view text) {
  std::vector<std::string> warnings;
  return GitosisConf::parse(text, warnings);
}

// "prefix path", or "denied".
std::string access(std::string_view text, std::string_view user, std::string_view mode,
                   std::string_view path) {
  const std::optional<Granted> granted = parse(text).find_access(user, mode, path);
  return granted ? granted->prefix + " " + granted->path : "denied";
}

// What a push of the file is refused for.
std::string refusal(std::string_view text) {
  try {
    const GitosisConf conf = parse(text);
    return conf.mistakes().empty() ? "accepted" : conf.mistakes().front();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Config);
    return error.what();
  }
}

std::string groups(std::string_view text, std::string_view user) {
  std::string out;
  for (const std::string& group : parse(text).groups_of(user)) out += group + " ";
  return out;
}

TEST(GitosisConf, AnEmptyFileGrantsNothing) { EXPECT_EQ(access("", "ann", "readonly", "a"), "denied"); }

TEST(GitosisConf, AListedRepositoryIsGranted) {
  constexpr auto kText = "[group ops]\nmembers = ann bob\nwritable = a b/c\nreadonly = d\n";
  EXPECT_EQ(access(kText, "ann", "writable", "b/c"), "repositories b/c");
  EXPECT_EQ(access(kText, "bob", "readonly", "d"), "repositories d");
  EXPECT_EQ(access(kText, "eve", "readonly", "d"), "denied");
}

TEST(GitosisConf, EachModeIsAListOfItsOwn) {
  constexpr auto kText = "[group g]\nmembers = ann\nwritable = a\nreadonly = b\n";
  EXPECT_EQ(access(kText, "ann", "readonly", "a"), "denied");
  EXPECT_EQ(access(kText, "ann", "writable", "b"), "denied");
}

TEST(GitosisConf, OneGitSuffixIsDropped) {
  constexpr auto kText = "[group g]\nmembers = ann\nwritable = a\n";
  EXPECT_EQ(access(kText, "ann", "writable", "a.git"), "repositories a");
  EXPECT_EQ(access(kText, "ann", "writable", "a.git.git"), "denied");
}

TEST(GitosisConf, MapsGiveAnotherPathAndOnlyTheirMode) {
  constexpr auto kText = "[group g]\nmembers = ann\nmap writable seen = real/one\n";
  EXPECT_EQ(access(kText, "ann", "writable", "seen"), "repositories real/one");
  EXPECT_EQ(access(kText, "ann", "readonly", "seen"), "denied");
  EXPECT_EQ(access(kText, "ann", "writable", "real/one"), "denied");
}

TEST(GitosisConf, AListedNameWinsOverItsMap) {
  EXPECT_EQ(
      access("[group g]\nmembers = ann\nmap writable a = other\nwritable = a\n", "ann", "writable", "a"),
      "repositories a");
}

TEST(GitosisConf, KeysIgnoreCase) {
  constexpr auto kText = "[group g]\nMembers = ann\nmap writable Big = one\n";
  EXPECT_EQ(access(kText, "ann", "writable", "big"), "repositories one");
  EXPECT_EQ(access(kText, "ann", "writable", "Big"), "repositories one");
}

TEST(GitosisConf, ThePrefixOfTheGroupWinsOverTheGlobalOne) {
  constexpr auto kText =
      "[gitosis]\nrepositories = all\n[group g]\nrepositories = own/dir\nmembers = ann\nwritable = a\n"
      "[group h]\nmembers = ann\nwritable = b\n";
  EXPECT_EQ(access(kText, "ann", "writable", "a"), "own/dir a");
  EXPECT_EQ(access(kText, "ann", "writable", "b"), "all b");
}

TEST(GitosisConf, ContinuationLinesBelongToTheValue) {
  constexpr auto kText = "[group g]\nmembers = ann\n  bob\n\tcy\nwritable = a\n  b\n";
  EXPECT_EQ(access(kText, "cy", "writable", "b"), "repositories b");
}

TEST(GitosisConf, CommentsAreConfigParsersOwn) {
  constexpr auto kText = "# one\n; two\nrem three\n[group g]\nmembers: ann ; not eve\nwritable = a\n";
  EXPECT_EQ(access(kText, "ann", "writable", "a"), "repositories a");
  EXPECT_EQ(access(kText, "eve", "writable", "a"), "denied");
  EXPECT_EQ(access("[group g]\nmembers = ann\nwritable = a;b c\n", "ann", "writable", "c"), "repositories c");
  // Right behind the sign a ';' begins a comment only when the line ends with a blank: ConfigParser's own
  // fault.
  EXPECT_EQ(access("[group g]\nmembers = ; ann\nwritable = a\n", "ann", "writable", "a"), "repositories a");
  EXPECT_EQ(access("[group g]\nmembers = ; ann \nwritable = a\n", "ann", "writable", "a"), "denied");
}

TEST(GitosisConf, AHashInAValueIsNoComment) {
  EXPECT_EQ(access("[group g]\nmembers = ann #bob\nwritable = a\n", "#bob", "writable", "a"),
            "repositories a");
}

TEST(GitosisConf, ASectionThatComesTwiceIsMergedAndTheLastKeyCounts) {
  constexpr auto kText = "[group g]\nmembers = ann\n[group h]\n[group g]\nmembers = bob\nwritable = a\n";
  EXPECT_EQ(access(kText, "bob", "writable", "a"), "repositories a");
  EXPECT_EQ(access(kText, "ann", "writable", "a"), "denied");
}

TEST(GitosisConf, DefaultsHoldForEverySection) {
  EXPECT_EQ(access("[DEFAULT]\nwritable = a\n[group g]\nmembers = ann\n", "ann", "writable", "a"),
            "repositories a");
}

TEST(GitosisConf, GroupsComeInTheFilesOrderEachOnceAndAllLast) {
  EXPECT_EQ(groups("[group a]\nmembers = ann\n[group b]\nmembers = @a ann\n[group c]\nmembers = @b\n", "ann"),
            "a b c all ");
  EXPECT_EQ(groups("[group a]\nmembers = @c\n[group c]\nmembers = @a ann\n", "ann"), "c a all ");
  EXPECT_EQ(groups("[group a]\nmembers = @ghost\n", "ann"), "all ");
  EXPECT_EQ(groups("[group a]\nmembers = @all\n[group b]\nmembers = @a\n", "whoever"), "a b all ");
}

TEST(GitosisConf, TheGroupAllIsEverybodys) {
  EXPECT_EQ(access("[group all]\nreadonly = pub\n", "eve", "readonly", "pub"), "repositories pub");
}

TEST(GitosisConf, AChainOfTenThousandGroupsIsALoopAndNotARecursion) {
  std::string text = "[group 0]\nmembers = ann\n";
  for (int i = 1; i < 9990; ++i)
    text += "[group " + std::to_string(i) + "]\nmembers = @" + std::to_string(i - 1) + "\n";
  text += "[group last]\nmembers = @9989\nwritable = far\n";
  EXPECT_EQ(access(text, "ann", "writable", "far"), "repositories far");
}

TEST(GitosisConf, TooManySectionsAreRefused) {
  std::string text;
  for (int i = 0; i <= 10000; ++i) text += "[group " + std::to_string(i) + "]\n";
  EXPECT_EQ(refusal(text), "gitosis.conf:10001: more than 10000 sections");
}

TEST(GitosisConf, MistakesAreNamedByLine) {
  EXPECT_EQ(refusal("members = x\n"), "gitosis.conf:1: \"members = x\" stands before the first [section]");
  EXPECT_EQ(refusal("[group g\n"), "gitosis.conf:1: a section needs the form [NAME]");
  EXPECT_EQ(refusal("[group g]\nmembers\n"),
            "gitosis.conf:2: \"members\" is neither a [section] nor KEY = VALUE");
  EXPECT_EQ(refusal("[group g]\n\nwritable = ok ../etc\n"),
            "gitosis.conf:3: \"../etc\" is no repository name");
  EXPECT_EQ(refusal("[group g]\nmap writable a = /etc/x\n"),
            "gitosis.conf:2: \"/etc/x\" is no repository name (written without .git)");
  EXPECT_EQ(refusal("[group g]\nrepositories = ../..\n"), "gitosis.conf:2: \"../..\" is no folder name");
  EXPECT_EQ(refusal("[gitosis]\nssh-authorized-keys-path = ../x\n"), "gitosis.conf:2: \"../x\" is no path");
  EXPECT_EQ(refusal(std::string("[group g]\nmembers = a\0b\n", 24)), "gitosis.conf:2: a NUL byte");
}

TEST(GitosisConf, UnknownKeysAndTyposWarn) {
  std::vector<std::string> warnings;
  const GitosisConf conf =
      GitosisConf::parse("[group g]\nmembers = ann\nwriteable = a\nwritabel = b\n[foo]\n", warnings);
  EXPECT_EQ(warnings, (std::vector<std::string>{"gitosis.conf:4: unknown key \"writabel\" is ignored",
                                                "gitosis.conf:3: \"writeable\" is read as \"writable\"",
                                                "gitosis.conf:5: unknown section \"foo\" is ignored"}));
  EXPECT_TRUE(conf.find_writable("ann", "a"));
  EXPECT_FALSE(conf.find_access("ann", "writable", "a"));
}

TEST(GitosisConf, UserNamesAreMatchedInFull) {
  for (const char* good : {"ann", "a.b-c_d", "ann@host.example", "0815", "A"})
    EXPECT_TRUE(is_user_name(good)) << good;
  for (const char* bad :
       {"", "-ann", "../ann", "ann\n", "ann@", "ann@-h", "a b", "a\"b", "@ann", ".ann", "a;b"})
    EXPECT_FALSE(is_user_name(bad)) << bad;
}

TEST(GitosisConf, TheExampleOfTheFormatPageIsRead) {
  const std::string page = read_file(std::string(BK_SOURCE_DIR) + "/docs/formats/gitosis-conf.md");
  const std::size_t begin = page.find("```ini\n") + 7;
  const GitosisConf conf = parse(page.substr(begin, page.find("```", begin) - begin));
  EXPECT_TRUE(conf.find_writable("alice", "gitosis-admin"));
  EXPECT_TRUE(conf.find_writable("web1", "web1"));
  EXPECT_FALSE(conf.find_writable("web1", "db1"));
  EXPECT_TRUE(conf.find_readable("auditor", "web1"));
}

}  // namespace
}  // namespace bk::server
