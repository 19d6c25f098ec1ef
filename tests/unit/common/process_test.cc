#include "common/process/process.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/process/private_memory.h"
#include "common/text/number.h"
#include "tests/support/temp_dir.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

namespace bk {
using test::TempDir;
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Command shell(const std::string& text) {
  Command command;
  command.argv = {"/bin/sh", "-c", text};
  command.environment = base_environment("/");
  return command;
}

TEST(Process, OutputAndStatusComeBack) {
  const Captured got = run_captured(shell("echo out; echo err >&2; exit 7"), seconds(10));
  EXPECT_EQ(got.status, 7);
  EXPECT_EQ(got.out, "out\n");
  EXPECT_EQ(got.err, "err\n");
  EXPECT_FALSE(got.timed_out);
}

TEST(Process, InputIsFedWhileOutputIsRead) {
  const std::string input(3'000'000, 'x');
  Command command;
  command.argv = {"cat"};
  const Captured got = run_captured(command, seconds(30), input.size(), input);
  EXPECT_EQ(got.out.size(), input.size());
  EXPECT_EQ(got.status, 0);
}

TEST(Process, OutputAboveTheLimitIsDropped) {
  const Captured got = run_captured(shell("head -c 500000 /dev/zero"), seconds(10), 1000);
  EXPECT_EQ(got.out.size(), 1000U);
  EXPECT_EQ(got.status, 0);
}

TEST(Process, ArgumentsAreNotInterpreted) {
  Command command;
  command.argv = {"printf", "%s|", "a b", "$HOME", "`id`", "", "x;y"};
  EXPECT_EQ(run_captured(command, seconds(10)).out, "a b|$HOME|`id`||x;y|");
}

TEST(Process, EnvironmentIsCleanAndDescriptorsAreClosed) {
  ASSERT_EQ(::setenv("BK_SECRET", "1", 1), 0);
  const int leaked = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC, as a library may do
  const Captured got = run_captured(shell("env; ls /proc/self/fd | wc -l; pwd"), seconds(10));
  EXPECT_EQ(got.out.find("BK_SECRET"), std::string::npos);
  EXPECT_NE(got.out.find("\n4\n/\n"), std::string::npos) << got.out;  // 0, 1, 2 and ls's own
  (void)::close(leaked);
}

TEST(Process, AMissingProgramIsKnownAtOnce) {
  for (const char* name : {"/nonexistent/program", "no-such-program-anywhere", "/etc/passwd"}) {
    Command command;
    command.argv = {name};
    try {
      (void)start(command);
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::Io);
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos);
    }
  }
}

TEST(Process, ADeadlineEndsTheWholeGroup) {
  const TempDir dir;
  const auto begin = std::chrono::steady_clock::now();
  const Captured got = run_captured(
      shell("trap '' TERM; sleep 60 & echo $! >" + dir.path() + "/pid; wait; sleep 60"), milliseconds(300));
  EXPECT_TRUE(got.timed_out);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(20));
  const std::string text = read_file(dir.path() + "/pid");
  const auto pid = parse_int<pid_t>(text.substr(0, text.size() - 1), 2);
  ASSERT_TRUE(pid);
  // Gone, or a zombie that the system's init has not fetched yet; a killed process may still need its turn on
  // a busy machine.
  std::optional<std::string> stat;
  for (int i = 0; i < 500; ++i) {
    stat = try_read_file("/proc/" + std::to_string(*pid) + "/stat");
    if (!stat || stat->find(") Z ") != std::string::npos) return;
    std::this_thread::sleep_for(milliseconds(10));
  }
  ADD_FAILURE() << *stat;
}

TEST(Process, ADeathBySignalIsShownAsAShellShowsIt) {
  EXPECT_EQ(run_captured(shell("kill -9 $$"), seconds(10)).status, 128 + SIGKILL);
}

TEST(Process, WaitingHasALimit) {
  Child child = start(shell("sleep 60"));
  EXPECT_EQ(child.wait_for(milliseconds(50)), std::nullopt);
  child.stop(seconds(5));
  EXPECT_EQ(child.wait(), 128 + SIGTERM);
}

TEST(Process, BrokenPipesBehaveAsUsualInTheChild) {
  (void)::signal(SIGPIPE, SIG_IGN);
  const Captured got = run_captured(shell("(yes; echo $? >&2) | head -n 1"), seconds(10));
  EXPECT_EQ(got.err, std::to_string(128 + SIGPIPE) + "\n");
  (void)::signal(SIGPIPE, SIG_DFL);
}

// What the canaries' scenario sees from outside, for every program.
TEST(PrivateMemory, NoCoreFileOfThisProcessOrWhatItStarts) {
  const pid_t child = ::fork();
  if (child == 0) {
    keep_memory_private();
    const Captured ran = run_captured(shell("grep core /proc/self/limits"), seconds(10));
    const bool inherited = ran.out.find(" 1 ") != std::string::npos;
    ::_exit(inherited && ::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace bk
