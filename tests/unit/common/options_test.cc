#include "common/options/options.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>

#include <vector>

namespace bk {
using test::TempDir;
namespace {

Options sample() {
  Options options("tool", "does it");
  options.usage("tool [options] MODULE [SERVER]")
      .flag("list", "list")
      .value("name", "NAME", "a name")
      .values("path", "PATH", "paths")
      .optional_value("wait", "SECONDS", "wait");
  add_home(options);
  options.positionals(1, 2);
  return options;
}

Options parsed(std::vector<const char*> words) {
  Options options = sample();
  words.insert(words.begin(), "tool");
  EXPECT_TRUE(options.parse(static_cast<int>(words.size()), words.data()));
  return options;
}

std::string refusal(std::vector<const char*> words) {
  Options options = sample();
  words.insert(words.begin(), "tool");
  try {
    (void)options.parse(static_cast<int>(words.size()), words.data());
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Usage);
    return error.what();
  }
  return "";
}

using Words = std::vector<std::string>;

TEST(Options, AnEmptyWordIsAWord) {
  EXPECT_EQ(parsed({"wiki", ""}).words(), (Words{"wiki", ""}));
  EXPECT_EQ(parsed({"", "x"}).words(), (Words{"", "x"}));
  EXPECT_EQ(parsed({"--list", "wiki", ""}).words(), (Words{"wiki", ""}));
}

TEST(Options, WordsAndOptionsMixInAnyOrder) {
  const Options options = parsed({"wiki", "--name", "n", "main", "--path=a", "--path", "b"});
  EXPECT_EQ(options.words(), (Words{"wiki", "main"}));
  EXPECT_EQ(options.get("name"), "n");
  EXPECT_EQ(options.all("path"), (Words{"a", "b"}));
  EXPECT_FALSE(options.has("list"));
}

TEST(Options, BehindTwoDashesEverythingIsAWord) {
  EXPECT_EQ(parsed({"--", "--list", "-x"}).words(), (Words{"--list", "-x"}));
}

TEST(Options, ValuesMayBeEmptyOrLookLikeAnything) {
  EXPECT_EQ(parsed({"x", "--name", ""}).get("name"), "");
  EXPECT_EQ(parsed({"x", "--name="}).get("name"), "");
  EXPECT_EQ(parsed({"x", "--name=--list"}).get("name"), "--list");
  EXPECT_EQ(parsed({"x", "--name", "a b=c"}).get("name"), "a b=c");
}

TEST(Options, AnOptionalValueTakesTheNextWordOnlyWhenItIsANumber) {
  EXPECT_EQ(parsed({"--wait", "60", "x"}).get("wait"), "60");
  EXPECT_EQ(parsed({"--wait", "60", "x"}).words(), (Words{"x"}));
  EXPECT_EQ(parsed({"x", "--wait", ""}).words(), (Words{"x", ""}));
  EXPECT_EQ(parsed({"x", "--wait"}).get("wait"), "");
  EXPECT_EQ(parsed({"x", "--wait=60"}).get("wait"), "60");
  EXPECT_EQ(parsed({"--wait", "x"}).words(), (Words{"x"}));
}

TEST(Options, MistakesAreUsageErrors) {
  EXPECT_NE(refusal({}), "");
  EXPECT_NE(refusal({"a", "b", "c"}), "");
  EXPECT_NE(refusal({"a", "--unknown"}).find("unknown"), std::string::npos);
  EXPECT_NE(refusal({"a", "--lis"}), "");
  EXPECT_NE(refusal({"a", "--list=yes"}), "");
  EXPECT_NE(refusal({"a", "--name"}), "");
  EXPECT_NE(refusal({"a", "--name", "x", "--name", "y"}), "");
  EXPECT_NE(refusal({"a", "--words", "x"}), "") << "the name we use inside is no option";
  EXPECT_EQ(refusal({"a", "--bad\n"}).find('\n'), std::string::npos) << "one line, whatever was typed";
}

TEST(Options, HelpListsEveryOption) {
  const std::string help = sample().help_text();
  for (const char* name : {"--help", "--version", "--list", "--name", "--path", "--wait", "--home"})
    EXPECT_NE(help.find(name), std::string::npos) << name;
  EXPECT_NE(help.find("usage: tool [options] MODULE [SERVER]"), std::string::npos);
}

TEST(Options, ErrorsBecomeExitStatuses) {
  const auto run = [](Kind kind) {
    Options options("tool", "does it");
    const char* words[] = {"tool"};
    testing::internal::CaptureStderr();
    const int status = run_program(options, 1, words, [&]() -> int { throw Error(kind, "no"); });
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "tool: no\n");
    return status;
  };
  EXPECT_EQ(run(Kind::Usage), 64);
  EXPECT_EQ(run(Kind::Corrupt), 65);
  EXPECT_EQ(run(Kind::NotFound), 69);
  EXPECT_EQ(run(Kind::Io), 74);
  EXPECT_EQ(run(Kind::Transient), 75);
  EXPECT_EQ(run(Kind::Protocol), 76);
  EXPECT_EQ(run(Kind::Refused), 77);
  EXPECT_EQ(run(Kind::Config), 78);
}

TEST(Home, TheOptionWinsThenTheScriptsFolder) {
  const TempDir dir;
  ensure_directory(dir.path() + "/scripts");
  replace_durably(dir.path() + "/backupconfig.toml", "");
  const std::string called = dir.path() + "/scripts/tool";
  EXPECT_EQ(find_home(parsed({"x", "--home", "/some//where/"}), called.c_str()), "/some/where");
  EXPECT_EQ(find_home(parsed({"x"}), called.c_str()), dir.path());
}

TEST(Home, AScriptsFolderWithoutAConfigurationIsNotOne) {
  const TempDir dir;
  ensure_directory(dir.path() + "/scripts");
  ASSERT_EQ(::setenv("BACKLINE_HOME", "/from/the/environment", 1), 0);
  EXPECT_EQ(find_home(parsed({"x"}), (dir.path() + "/scripts/tool").c_str()), "/from/the/environment");
  ASSERT_EQ(::unsetenv("BACKLINE_HOME"), 0);
}

}  // namespace
}  // namespace bk
