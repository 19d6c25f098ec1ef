#include "server/pull/git_command.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>

namespace bk::pull {
namespace {

using std::chrono::steady_clock;

GitCommand command_in(const test::TempDir& dir, std::chrono::milliseconds deadline) {
  return GitCommand(dir.file("mirror.git"), deadline, [] {});
}
// What a shell says that git starts: it inherits what holds git.
Captured say(const GitCommand& git, const std::string& words) {
  return git.run({"-c", "alias.say=!" + words, "say"});
}

// A zombie that nobody has waited for is none.
bool is_alive(int pid) {
  const std::string stat = try_read_file("/proc/" + std::to_string(pid) + "/stat").value_or(") Z");
  return stat.substr(stat.rfind(')')).substr(0, 3) != ") Z";
}

TEST(GitCommand, ItsMemoryIsLimited) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers reserve terabytes of addresses";
#endif
  const test::TempDir dir;
  const GitCommand git = command_in(dir, std::chrono::seconds(30));
  git.init();
  const Captured limits = say(git, "cat /proc/self/limits");
  EXPECT_EQ(limits.status, 0) << limits.err;
  EXPECT_NE(limits.out.find("Max address space         8589934592           8589934592"), std::string::npos)
      << limits.out;
}

TEST(GitCommand, ItsTimeIsLimitedAndWhatItStartedEndsWithIt) {
  const test::TempDir dir;
  command_in(dir, std::chrono::seconds(30)).init();
  const auto begin = steady_clock::now();
  try {
    (void)say(command_in(dir, std::chrono::milliseconds(2000)),
              "echo $$ >" + dir.file("pid") + "; exec sleep 1000");
    FAIL() << "it ended by itself";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Cancelled);
  }
  EXPECT_LT(steady_clock::now() - begin, std::chrono::seconds(100));
  const int pid = std::stoi(read_file(dir.file("pid")));
  for (int i = 0; i < 1000 && is_alive(pid); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_FALSE(is_alive(pid)) << "what git started is still there";
}

TEST(GitCommand, ItsAnswerIsLimited) {
  const test::TempDir dir;
  const GitCommand git = command_in(dir, std::chrono::seconds(60));
  git.init();
  EXPECT_THROW((void)say(git, "head -c 140000000 /dev/zero"), Error);
}

}  // namespace
}  // namespace bk::pull
