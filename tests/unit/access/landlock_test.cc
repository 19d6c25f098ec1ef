#include "common/process/landlock.h"

#include "common/io/file.h"
#include "common/process/process.h"
#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>

namespace bk {
namespace {

class Confined : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!Landlock::is_available()) GTEST_SKIP() << "this kernel has no Landlock";
    ensure_directory(dir_.file("in"));
    ensure_directory(dir_.file("out"));
    replace_durably(dir_.file("out/secret"), "x");
  }
  int run(std::vector<std::string> argv) {
    LandlockRules rules = system_rules();
    rules.read_write.push_back(dir_.file("in"));
    const Landlock landlock(rules);
    Command command;
    command.argv = std::move(argv);
    command.environment = base_environment("/");
    command.before_exec = [&] { return landlock.enforce(); };
    return run_captured(command, std::chrono::seconds(20)).status;
  }
  test::TempDir dir_;
};

TEST_F(Confined, WhatIsAllowedCanBeWrittenAndRenamed) {
  EXPECT_EQ(run({"touch", dir_.file("in/a")}), 0);
  ensure_directory(dir_.file("in/sub"));
  EXPECT_EQ(run({"mv", dir_.file("in/a"), dir_.file("in/sub/b")}), 0);
  EXPECT_TRUE(path_exists(dir_.file("in/sub/b")));
}

TEST_F(Confined, NothingElseCanBeReadOrWritten) {
  EXPECT_NE(run({"cat", dir_.file("out/secret")}), 0);
  EXPECT_NE(run({"touch", dir_.file("out/new")}), 0);
  EXPECT_NE(run({"cat", "/etc/shadow"}), 0);
  EXPECT_NE(run({"ls", dir_.file("out")}), 0);
}

TEST_F(Confined, ALinkDoesNotLeadOut) {
  ASSERT_EQ(::symlink(dir_.file("out/secret").c_str(), dir_.file("in/link").c_str()), 0);
  EXPECT_NE(run({"cat", dir_.file("in/link")}), 0);
}

}  // namespace
}  // namespace bk
