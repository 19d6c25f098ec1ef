// The agent's small parts: patterns, opening beneath a root.
#include "client/agent/beneath.h"
#include "client/agent/names.h"
#include "client/agent/prefetch.h"
#include "common/io/file.h"
#include "common/path/pattern.h"
#include "tests/support/temp_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace bk::agent {
namespace {

bool glob_matches(std::string_view pattern, std::string_view text) { return Glob(pattern).matches(text); }

TEST(Pattern, StarStaysInsideANameAndTwoStarsDoNot) {
  EXPECT_TRUE(glob_matches("*.o", "a.o"));
  EXPECT_FALSE(glob_matches("*.o", "d/a.o"));
  EXPECT_TRUE(glob_matches("**.o", "d/a.o"));
  EXPECT_TRUE(glob_matches("d/**", "d/e/f"));
  EXPECT_FALSE(glob_matches("d/*", "d/e/f"));
  EXPECT_TRUE(glob_matches("a?c", "abc"));
  EXPECT_FALSE(glob_matches("a?c", "a/c"));
  EXPECT_TRUE(glob_matches("\\*", "*"));
  EXPECT_FALSE(glob_matches("\\*", "x"));
  EXPECT_TRUE(glob_matches("", ""));
  EXPECT_FALSE(glob_matches("", "a"));
}

TEST(Pattern, ManyStarsDoNotTakeExponentialTime) {
  EXPECT_FALSE(glob_matches(std::string(50, '*') + "*a*a*a*a*a*b", std::string(4000, 'a')));
}

TEST(Pattern, AWordMatchesAtAnyDepthAndAPathOnlyFromTheRoot) {
  const Patterns patterns({"cache", "/build", "var/*.log", "tmp/"});
  EXPECT_TRUE(patterns.match("a/b/cache", false));
  EXPECT_TRUE(patterns.match("a/tmp", true));
  EXPECT_FALSE(patterns.match("a/tmp", false));
  EXPECT_TRUE(patterns.match("build", false));
  EXPECT_FALSE(patterns.match("a/build", false));
  EXPECT_TRUE(patterns.match("var/x.log", false));
  EXPECT_FALSE(patterns.match("a/var/x.log", false));
}

TEST(Pattern, ABracketIsOneByteOfItsClassAndNeverASlash) {
  EXPECT_TRUE(glob_matches("core.[0-9]*", "core.7"));
  EXPECT_FALSE(glob_matches("core.[0-9]*", "core.x"));
  EXPECT_TRUE(glob_matches("[!a-c]x", "dx"));
  EXPECT_FALSE(glob_matches("[!a-c]x", "ax"));
  EXPECT_FALSE(glob_matches("a[!b]c", "a/c"));
  EXPECT_TRUE(glob_matches("[]a]", "]"));
  EXPECT_FALSE(glob_matches("[!]a]", "]"));
  EXPECT_TRUE(glob_matches("[a-]", "-"));
  EXPECT_TRUE(glob_matches("a[b", "a[b"));
  EXPECT_TRUE(glob_matches("\\[a]", "[a]"));
  EXPECT_TRUE(glob_matches("[\x80-\xff]", "\xe4"));
}

TEST(Pattern, SimpleShapesMeanTheSameAsTheGeneralOne) {
  for (const char* text : {"", "a", "a.o", "d/a.o", ".o", "a.ox", "x/y"}) {
    EXPECT_EQ(glob_matches("*.o", text), glob_matches("*[.]o", text)) << text;
    EXPECT_EQ(glob_matches("a*", text), glob_matches("[a]*", text)) << text;
    EXPECT_EQ(glob_matches("*", text),
              glob_matches("**", text) && std::string_view(text).find('/') == std::string_view::npos);
  }
}

TEST(Settling, AFileChangedInThisTickOrThisSecondIsYoung) {
  using namespace std::chrono_literals;
  const timespec now{1000, 500};
  EXPECT_EQ(unsettled_for({1000, 499}, now), 0ns);
  EXPECT_EQ(unsettled_for({1000, 500}, now), 1ns);
  EXPECT_EQ(unsettled_for({999, 999'999'999}, now), 0ns);
  // Whole seconds: the file system may not know better.
  EXPECT_EQ(unsettled_for({1000, 0}, now), 2s - 500ns);
  EXPECT_EQ(unsettled_for({999, 0}, now), 1s - 500ns);
  EXPECT_EQ(unsettled_for({998, 0}, now), 0ns);
  // Another clock, and times that no nanosecond count holds.
  EXPECT_EQ(unsettled_for({1003, 0}, now), 0ns);
  EXPECT_EQ(unsettled_for({-(1LL << 40), 0}, now), 0ns);
  EXPECT_EQ(unsettled_for({1LL << 40, 7}, now), 0ns);
}

class Beneath : public ::testing::Test {
 protected:
  Beneath() {
    ensure_directory(dir_.file("root/a/b"));
    ensure_directory(dir_.file("outside"));
    replace_durably(dir_.file("root/a/b/file"), "x");
    (void)!::symlink("../../outside", dir_.file("root/a/out").c_str());
    (void)!::symlink("b", dir_.file("root/a/in").c_str());
    (void)::mkfifo(dir_.file("root/fifo").c_str(), 0600);
    root_ = open_root(dir_.file("root"));
  }
  static constexpr int kDirectory = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  test::TempDir dir_;
  Fd root_;
};

TEST_F(Beneath, OpensWhatLiesBelow) {
  ASSERT_TRUE(root_);
  EXPECT_TRUE(open_beneath(root_.get(), "a/b", kDirectory));
  EXPECT_TRUE(open_beneath(root_.get(), "", kDirectory));
}

TEST_F(Beneath, NeverFollowsASymlinkNorLeavesTheRoot) {
  EXPECT_FALSE(open_beneath(root_.get(), "a/out", kDirectory));
  EXPECT_EQ(errno, ELOOP);
  EXPECT_FALSE(open_beneath(root_.get(), "a/in", kDirectory));  // not even to the inside
  EXPECT_FALSE(open_beneath(root_.get(), "../outside", kDirectory));
  EXPECT_FALSE(open_beneath(root_.get(), "/etc", kDirectory));
  EXPECT_FALSE(open_beneath(root_.get(), "a/in/file", O_RDONLY | O_CLOEXEC)) << "nor in the middle";
  EXPECT_FALSE(open_beneath(root_.get(), "a/b/../../../outside", kDirectory));
  EXPECT_FALSE(open_root(dir_.file("root/a/in")));
}

TEST_F(Beneath, OnlyRegularFilesAreOpenedForReadingAndAFifoDoesNotBlock) {
  struct stat facts {};
  EXPECT_FALSE(open_regular(root_.get(), "fifo", facts));
  EXPECT_EQ(errno, ENOTSUP);
  const Fd b = open_beneath(root_.get(), "a/b", kDirectory);
  EXPECT_TRUE(open_regular(b.get(), "file", facts));
}

// A name that was looked at is not followed when it became a link since.
TEST_F(Beneath, ALinkInPlaceOfTheLastNameIsNotFollowed) {
  ASSERT_EQ(::symlink("b/file", dir_.file("root/a/file").c_str()), 0);
  const Fd a = open_beneath(root_.get(), "a", kDirectory);
  struct stat facts {};
  EXPECT_FALSE(open_regular(a.get(), "file", facts));
  EXPECT_EQ(errno, ELOOP);
  EXPECT_FALSE(open_subdirectory(a.get(), "in"));
}

std::vector<std::string> all_names(NameList& names) {
  std::vector<std::string> out;
  while (const auto name = names.next())
    out.push_back(std::string(name->view()) + (name->type == DT_DIR ? "/" : ""));
  return out;
}

TEST_F(Beneath, NamesComeSortedByBytesWithoutTheDots) {
  NameSpace space(dir_.path());
  NameList names;
  const Fd a = open_beneath(root_.get(), "a", kDirectory);
  ASSERT_EQ(names.read(a.get(), space), 0);
  EXPECT_EQ(names.size(), 3U);
  EXPECT_EQ(all_names(names), (std::vector<std::string>{"b/", "in", "out"}));
  names.rewind();
  EXPECT_EQ(all_names(names).size(), 3U);
}

TEST_F(Beneath, ManyNamesAreSortedInAFileThatNobodySees) {
  const std::string folder = dir_.file("root/many");
  std::vector<std::string> expected;
  for (int i = 0; i < 300; ++i) {
    std::string name = std::to_string(i * 7919 % 300) + std::string(static_cast<std::size_t>(i % 200), 'n');
    if (i % 10 == 0) {
      ensure_directory(join_path(folder, name));
      name += '/';
    } else {
      ASSERT_TRUE(create_durably(join_path(folder, name), ""));
    }
    expected.push_back(std::move(name));
  }
  std::sort(expected.begin(), expected.end(), [](std::string a, std::string b) {
    for (std::string* name : {&a, &b}) {
      if (name->back() == '/') name->pop_back();
    }
    return a < b;
  });
  const Fd many = open_beneath(root_.get(), "many", kDirectory);
  for (const char* temporary : {"", "/nonexistent"}) {
    NameSpace space(*temporary == '\0' ? dir_.path() : temporary, 4096);
    NameList names;
    ASSERT_EQ(names.read(many.get(), space), 0);
    EXPECT_EQ(space.error(), *temporary == '\0' ? 0 : ENOENT);
    EXPECT_EQ(all_names(names), expected);
  }
}

}  // namespace
}  // namespace bk::agent
