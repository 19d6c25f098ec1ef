// The later grammar of gitosis.conf: @group, repo, RW+, R, path_regex, quoting, decodeID.
#include "server/access/later_conf.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "server/access/gate.h"
#include "server/access/gitosis_conf.h"

#include <gtest/gtest.h>

namespace bk::server {
namespace {

GitosisConf parse(std::string_view text) {
  std::vector<std::string> warnings;
  return GitosisConf::parse(text, warnings);
}

std::string access(std::string_view text, std::string_view user, std::string_view mode,
                   std::string_view path) {
  const std::optional<Granted> granted = parse(text).find_access(user, mode, path);
  return granted ? granted->prefix + " " + granted->path : "denied";
}

std::string serve(std::string_view text, std::string_view user, std::string_view command) {
  try {
    return repository_of(pass_gate(parse(text), user, command).granted);
  } catch (const Error& error) {
    return error.what();
  }
}

// What a push of the file is refused for.
std::string refusal(std::string_view text) {
  try {
    const GitosisConf conf = parse(text);
    return conf.mistakes().empty() ? "accepted" : conf.mistakes().front();
  } catch (const Error& error) {
    return error.what();
  }
}

std::string words(std::string_view text) {
  const QuotedWords split = split_quoted(text);
  if (!split.problem.empty()) return split.problem;
  std::string out;
  for (const std::string& word : split.words) out += "<" + word + ">";
  return out;
}

constexpr auto kSmall =
    "gitosis\n\tloglevel = DEBUG\n@admins = alice bob\n@hosts = web1@host.example.com @admins\n"
    "repo gitosis-admin\n\tRW+ = @admins\nrepo web1\n\tRW+ = web1\n\tR = auditor\n";

TEST(Grammar, TheFirstLineThatDecidesTellsTheGrammar) {
  for (const char* text : {"@a = b\n", "  repo x\n", "# c\n\ngitosis\n", "gitosis x", "; c\nrepo r\n"})
    EXPECT_TRUE(is_later_grammar(text)) << text;
  for (const char* text :
       {"", "# c\n", "[group g]\n@a = b\n", "repos = x\n", "[repo x]\n", "rem repo\n[g]\n"})
    EXPECT_FALSE(is_later_grammar(text)) << text;
}

TEST(LaterConf, OnlyTheListThatIsAskedForCounts) {
  EXPECT_EQ(access(kSmall, "web1", "RW+", "web1"), "repositories web1");
  EXPECT_EQ(access(kSmall, "web1", "R", "web1"), "denied");
  EXPECT_EQ(access(kSmall, "auditor", "R", "web1"), "repositories web1");
  EXPECT_EQ(access(kSmall, "auditor", "RW+", "web1"), "denied");
  EXPECT_EQ(access(kSmall, "web1", "RW", "web1"), "denied") << "RW is a key of its own";
  EXPECT_EQ(access(kSmall, "bob", "writable", "gitosis-admin"), "repositories gitosis-admin");
}

TEST(LaterConf, ReadonlyAlsoSucceedsWhereWritingIsGiven) {
  EXPECT_EQ(access(kSmall, "web1", "readonly", "web1"), "repositories web1");
  EXPECT_EQ(access(kSmall, "auditor", "readonly", "web1"), "repositories web1");
  EXPECT_EQ(access(kSmall, "eve", "readonly", "web1"), "denied");
}

TEST(LaterConf, OneGitSuffixIsDropped) {
  EXPECT_EQ(access(kSmall, "web1", "RW+", "web1.git"), "repositories web1");
  EXPECT_EQ(access(kSmall, "web1", "RW+", "web1.git.git"), "denied");
}

TEST(LaterConf, GroupsNestToAnyDepthAndCyclesEnd) {
  constexpr auto kText = "@a = alice @b\n@b = bob @c\n@c = carol @a\nrepo r\n\tRW+ = @a\n";
  for (const char* user : {"alice", "bob", "carol"})
    EXPECT_EQ(access(kText, user, "RW+", "r"), "repositories r") << user;
  EXPECT_EQ(access(kText, "dave", "RW+", "r"), "denied");
  EXPECT_EQ(parse(kText).groups_of("bob"), (std::vector<std::string>{"@a", "@b", "@c", "@all"}));
}

TEST(LaterConf, AllIsEverybodyAndUnknownGroupsAreEmpty) {
  constexpr auto kText = "@open = @all\nrepo p\n\tR = @all\nrepo q\n\tR = @open\nrepo s\n\tR = @ghost\n";
  EXPECT_EQ(access(kText, "eve", "R", "p"), "repositories p");
  EXPECT_EQ(access(kText, "eve", "R", "q"), "repositories q");
  EXPECT_EQ(access(kText, "eve", "R", "s"), "denied");
}

TEST(LaterConf, WhatComesTwiceReplacesTheFirst) {
  constexpr auto kText =
      "@g = ann\n@g = bob\nrepo r\n\tRW+ = @g\n\tR = eve\nrepo other\nrepo r\n\tRW+ = x\n\tRW+ = @g\n"
      "gitosis\n\trepositories = one\ngitosis\n\tloglevel = INFO\n";
  EXPECT_EQ(access(kText, "bob", "RW+", "r"), "repositories r");
  EXPECT_EQ(access(kText, "ann", "RW+", "r"), "denied");
  EXPECT_EQ(access(kText, "eve", "R", "r"), "denied") << "the whole section was replaced";
  EXPECT_EQ(access(kText, "x", "RW+", "r"), "denied");
}

TEST(LaterConf, AGroupInsideASectionClosesNothing) {
  EXPECT_EQ(access("repo r\n@g = ann\nRW+ = @g\n", "ann", "RW+", "r"), "repositories r");
}

TEST(LaterConf, TheExactNameWinsOverEveryPattern) {
  constexpr auto kText = "repo any\n\tpath_regex = .*\n\tRW+ = ann\nrepo r\n\tRW+ = bob\n";
  EXPECT_EQ(access(kText, "ann", "RW+", "r"), "denied");
  EXPECT_EQ(access(kText, "bob", "RW+", "r"), "repositories r");
  EXPECT_EQ(access(kText, "ann", "RW+", "x/y"), "repositories x/y");
}

TEST(LaterConf, OfSeveralPatternsTheFirstOfTheFileAnswers) {
  constexpr auto kText = "repo a\n\tpath_regex = x.*\n\tRW+ = ann\nrepo b\n\tpath_regex = xy\n\tRW+ = bob\n";
  EXPECT_EQ(access(kText, "ann", "RW+", "xy"), "repositories xy");
  EXPECT_EQ(access(kText, "bob", "RW+", "xy"), "denied");
}

TEST(LaterConf, APatternMatchesWholeNames) {
  constexpr auto kText =
      "repo t\n\tpath_regex = team\n\tRW+ = ann\nrepo u\n\tpath_regex = a|web1\n\tRW+ = ann\n";
  EXPECT_EQ(access(kText, "ann", "RW+", "team"), "repositories team");
  EXPECT_EQ(access(kText, "ann", "RW+", "team-secret"), "denied");
  EXPECT_EQ(access(kText, "ann", "RW+", "team/x"), "denied");
  EXPECT_EQ(access(kText, "ann", "RW+", "web1"), "repositories web1");
  EXPECT_EQ(access(kText, "ann", "RW+", "web12"), "denied");
}

TEST(LaterConf, ABadPatternDeniesOnlyItselfAndIsRefusedAtAPush) {
  constexpr auto kText =
      "repo bad\n\tpath_regex = (\n\tRW+ = bob\nrepo t\n\tRW+ = bob\n"
      "repo u\n\tpath_regex = u.*\n\tRW+ = bob\n";
  EXPECT_EQ(access(kText, "bob", "RW+", "t"), "repositories t");
  EXPECT_EQ(access(kText, "bob", "RW+", "u1"), "repositories u1");
  EXPECT_NE(refusal(kText).find("gitosis.conf:2: pattern \"(\": "), std::string::npos) << refusal(kText);
}

TEST(LaterConf, AnEndlessPatternIsANo) {
  const std::string text =
      "repo a\n\tpath_regex = (a+)+\\d\n\tRW+ = ann\nrepo b\n\tpath_regex = .*\n\tRW+ = ann\n";
  EXPECT_EQ(access(text, "ann", "RW+", std::string(200, 'a')), "denied");
  EXPECT_EQ(access(text, "ann", "RW+", "aa1"), "repositories aa1");
}

TEST(LaterConf, QuotesHoldWordsTogether) {
  EXPECT_EQ(words("a  b\tc"), "<a><b><c>");
  EXPECT_EQ(words("\"a b\" c"), "<a b><c>");
  EXPECT_EQ(words("'o\\'neil' x"), "<o'neil><x>");
  EXPECT_EQ(words("'a\\\\b\\c' \"d\\\"e\""), "<a\\b\\c><d\"e>");
  EXPECT_EQ(words("jo\"hn a'b"), "<jo\"hn><a'b>");
  EXPECT_EQ(words("a\\ b"), "<a\\><b>");
  EXPECT_EQ(words("\"\" a"), "<><a>");
  EXPECT_EQ(words("a \"\""), "<a>");
  EXPECT_EQ(words("\"john"), "a quotation mark is not closed");
  EXPECT_EQ(words("'a\\'"), "a quotation mark is not closed");
  EXPECT_EQ(words("'a'b"), "text behind a closing quotation mark");
}

TEST(LaterConf, AListWithABadQuoteGrantsNothing) {
  constexpr auto kText = "@g = 'ann\nrepo r\n\tRW+ = \"ann\n\tR = @g ann\n";
  EXPECT_EQ(access(kText, "ann", "RW+", "r"), "denied");
  EXPECT_EQ(access(kText, "ann", "R", "r"), "repositories r") << "the other list is sound";
  EXPECT_NE(refusal(kText).find("cannot be used"), std::string::npos);
}

TEST(LaterConf, MistakesAreNamedByLine) {
  EXPECT_EQ(refusal("repo r\n@g x\n"), "gitosis.conf:2: \"@g x\" should have the form @GROUP = MEMBER …");
  EXPECT_EQ(refusal("@g = x\njunk\n"),
            "gitosis.conf:2: \"junk\" is neither '@group = …' nor 'gitosis' nor 'repo NAME'");
  EXPECT_EQ(refusal("repo\n"), "gitosis.conf:1: 'repo' needs a name");
  EXPECT_EQ(refusal("repo r\nRW+ ann\n"), "gitosis.conf:2: \"RW+ ann\" should have the form KEY = VALUE");
  EXPECT_EQ(refusal("repo ../r\n\tRW+ = x\n"), "gitosis.conf:1: \"../r\" is no repository name");
  EXPECT_EQ(refusal("gitosis\n\trepositories = ../r\n"), "gitosis.conf:2: \"../r\" is no path");
  EXPECT_EQ(refusal(std::string("@g = a\0b\n", 9)), "gitosis.conf:1: a NUL byte");
}

TEST(LaterConf, ProgramsThatTheFileNamesAreNotRun) {
  std::vector<std::string> warnings;
  (void)GitosisConf::parse("gitosis\n\textProps = scripts/x.py\nrepo r\n\tRW = a\n\tW = b\n", warnings);
  EXPECT_EQ(warnings.size(), 3U);
  EXPECT_EQ(warnings.front(),
            "gitosis.conf:2: extProps: programs that a configuration names are not run here");
}

TEST(LaterConf, DaemonAndGitwebAreNoUsers) {
  constexpr auto kText =
      "@g = gitweb\nrepo r\n\tR = daemon gitweb\nrepo s\n\tR = @g\nrepo t\n\tRW+ = daemon\n";
  EXPECT_EQ(access(kText, "daemon", "R", "r"), "denied");
  EXPECT_EQ(access(kText, "gitweb", "readonly", "r"), "denied");
  EXPECT_EQ(access(kText, "gitweb", "R", "s"), "repositories s") << "a group's member is a user";
  EXPECT_EQ(access(kText, "daemon", "RW+", "t"), "repositories t") << "RW+ has no such words";
}

TEST(LaterConf, AStrangerWhoPushesIsToldThatHeMayNotWrite) {
  EXPECT_EQ(serve(kSmall, "eve", "git-receive-pack 'web1'"), "Repository write access denied");
  EXPECT_EQ(serve(kSmall, "auditor", "git-receive-pack 'web1'"), "Repository write access denied");
  EXPECT_EQ(serve(kSmall, "eve", "git-upload-pack 'web1'"), "Repository read access denied");
  EXPECT_EQ(serve(kSmall, "auditor", "git-upload-pack 'web1'"), "repositories/web1.git");
  EXPECT_EQ(serve(kSmall, "web1", "git-upload-pack '/web1.git'"), "repositories/web1.git");
}

TEST(LaterConf, AFolderThatIsARepositoryHoldsNoOther) {
  EXPECT_EQ(serve("repo a.git/b\n\tRW+ = ann\n", "ann", "git-receive-pack 'a.git/b'"),
            "Intermediate repository path contains component ends with '.git'");
}

TEST(LaterConf, AnEncodedUserIsDecodedAndABadOneRefused) {
  constexpr auto kText = "gitosis\n\tdecodeID = yes\nrepo r\n\tRW+ = alice\n\tR = \"Ann O'Neil\"\n";
  EXPECT_EQ(serve(kText, "gitYWxpY2U.", "git-receive-pack 'r'"), "repositories/r.git");
  EXPECT_EQ(serve(kText, "gitQW5uIE8nTmVpbA..", "git-upload-pack 'r'"), "repositories/r.git");
  for (const char* bad : {"alice", "gitYWxpY2U", "git", "gitYW.xpY2U", "gitYQo.", "gitQGFsbA.."})
    EXPECT_EQ(serve(kText, bad, "git-upload-pack 'r'"), "Bad encoded user id") << bad;
  EXPECT_EQ(serve(kText, "alice", "evil 'r'"), "Unknown command denied") << "the command is looked at first";
  EXPECT_EQ(serve("gitosis\n\tdecodeID = y\nrepo r\n\tR = ann\n", "ann", "git-upload-pack 'r'"),
            "repositories/r.git");
}

TEST(LaterConf, TheExampleOfTheFormatPageIsRead) {
  const std::string page = read_file(std::string(BK_SOURCE_DIR) + "/docs/formats/gitosis-conf.md");
  const std::size_t begin = page.find("```later\n") + 9;
  const GitosisConf conf = parse(page.substr(begin, page.find("```", begin) - begin));
  EXPECT_EQ(conf.grammar(), Grammar::Later);
  EXPECT_TRUE(conf.find_writable("alice", "gitosis-admin"));
  EXPECT_TRUE(conf.find_readable("auditor", "db7"));
  EXPECT_FALSE(conf.find_readable("web1", "db7"));
}

TEST(LaterConf, ADeepChainAndManyGroupsEndInTime) {
  std::string text = "@g0 = ann\n";
  for (int i = 1; i < 9000; ++i) text += "@g" + std::to_string(i) + " = @g" + std::to_string(i - 1) + "\n";
  EXPECT_EQ(access(text + "repo r\n\tRW+ = @g8999\n", "ann", "RW+", "r"), "repositories r");
  for (int i = 9000; i < 10010; ++i) text += "@g" + std::to_string(i) + " = x\n";
  EXPECT_NE(refusal(text).find("more than 10000 sections"), std::string::npos);
}

}  // namespace
}  // namespace bk::server
