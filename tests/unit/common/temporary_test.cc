#include "common/io/temporary.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

namespace bk {
namespace {

class Temporaries : public testing::Test {
 protected:
  [[nodiscard]] std::string at(const std::string& name) const { return dir_.file(name); }
  test::TempDir dir_;
};

constexpr const char* kName = ".tmp-0123456789abcdef";

TEST_F(Temporaries, AFileInTheMakingStaysUntilItsOwnerIsGone) {
  std::optional<Fd> owner = try_create_owned(at(kName));
  ASSERT_TRUE(owner);
  EXPECT_FALSE(try_create_owned(at(kName)));
  EXPECT_EQ(remove_abandoned_in(dir_.path()), 0U);
  owner.reset();
  EXPECT_EQ(remove_abandoned_in(dir_.path()), 1U);
  EXPECT_TRUE(list_directory(dir_.path()).empty());
}

TEST_F(Temporaries, WhatAKilledProcessLeftGoes) {
  const pid_t child = ::fork();
  if (child == 0) {
    const std::optional<Fd> owner = try_create_owned(at(kName));
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(path_exists(at(kName)));
  EXPECT_TRUE(remove_abandoned(at(kName)));
}

TEST_F(Temporaries, OnlyNamesOfThisExactFormAreTouched) {
  for (const char* name :
       {".tmp-0123456789abcde", ".tmp-0123456789abcdeg", ".tmp-mine", "tmp-0123456789abcdef"})
    replace_durably(at(name), "x");
  EXPECT_EQ(remove_abandoned_in(dir_.path()), 0U);
  EXPECT_EQ(list_directory(dir_.path()).size(), 4U);
  EXPECT_EQ(remove_abandoned_in(at("no such folder")), 0U);
}

TEST_F(Temporaries, LinksAndFoldersAreLeftAlone) {
  replace_durably(at("target"), "x");
  ASSERT_EQ(::symlink("target", at(kName).c_str()), 0);
  EXPECT_EQ(remove_abandoned_in(dir_.path()), 0U);
  ensure_directory(at(".tmp-1123456789abcdef"));
  EXPECT_EQ(remove_abandoned_in(dir_.path()), 0U);
}

TEST_F(Temporaries, WritersNeverLoseTheirFilesToOneWhoSweepsAllTheTime) {
  std::atomic<bool> stop = false;
  std::thread sweeper([&] {
    while (!stop) (void)remove_abandoned_in(dir_.path());
  });
  std::vector<std::thread> writers;
  std::atomic<int> failed = 0;
  for (int w = 0; w < 3; ++w) {
    writers.emplace_back([&, w] {
      for (int i = 0; i < 300; ++i) {
        try {
          const std::string bytes = std::to_string(i);
          replace_durably(at("file" + std::to_string(w)), bytes);
          if (read_file(at("file" + std::to_string(w))) != bytes) ++failed;
        } catch (const Error& error) {
          ADD_FAILURE() << error.what();
          ++failed;
        }
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  stop = true;
  sweeper.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(list_directory(dir_.path()).size(), 3U);
}

TEST_F(Temporaries, AFixedNameIsOverwrittenByTheNextAndGoneAfterwards) {
  replace_durably(at("making"), "what a kill left");
  EXPECT_TRUE(create_durably_by(at("making"), at("a"), "new"));
  EXPECT_EQ(read_file(at("a")), "new");
  EXPECT_FALSE(create_durably_by(at("making"), at("a"), "other"));
  EXPECT_EQ(read_file(at("a")), "new");
  EXPECT_EQ(list_directory(dir_.path()), std::vector<std::string>{"a"});
}

}  // namespace
}  // namespace bk
