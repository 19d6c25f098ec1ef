// The second fence around an agent that serves a tree: real Landlock.
#include "client/agent/tree_confine.h"

#include "client/agent/confine.h"
#include "common/io/file.h"
#include "common/process/process.h"
#include "proto/pull/frame.h"
#include "proto/pull/messages.h"
#include "tests/support/temp_dir.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

namespace bk::agent {
namespace {

class TreeConfined : public ::testing::Test {
 protected:
  void SetUp() override {
    if (landlock_version() == 0) GTEST_SKIP() << "this kernel has no Landlock";
    for (const char* folder : {"home/log", "home/tmp", "root/sub", "second", "outside"})
      ensure_directory(dir.file(folder));
    for (const char* file : {"root/sub/f", "second/f", "outside/f", "home/backupconfig.toml"})
      replace_durably(dir.file(file), "x");
    consent.server = "main";
    consent.home = dir.file("home");
    for (const char* path : {"root", "second", "missing"}) consent.roots.emplace_back().path = dir.file(path);
  }
  // In a mount namespace of its own.
  void mount_over(const std::string& folder, const char* type) const {
    const char* source = type == nullptr ? outside_.c_str() : type;
    if (::unshare(CLONE_NEWNS) < 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0 ||
        ::mount(source, folder.c_str(), type, type == nullptr ? MS_BIND : 0, nullptr) < 0)
      throw std::runtime_error("mount");
  }
  // errno of opening `path` in a process that confined itself; 0: it opened.
  int opened(const std::string& path, int flags = O_RDONLY) {
    return inside([&] { return ::open(path.c_str(), flags | O_CLOEXEC, 0600) < 0 ? errno : 0; });
  }
  int inside(const std::function<int()>& what) {
    const pid_t child = ::fork();
    if (child == 0) {
      int result = 250;
      try {
        before();
        if (confine_tree(consent, dir.file("home/tmp"))) result = what();
      } catch (const std::exception&) {
        result = 251;
      }
      ::_exit(result);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  test::TempDir dir;
  Consent consent;
  std::function<void()> before = [] {};
  const std::string outside_ = dir.file("outside");
};

TEST_F(TreeConfined, EveryConsentedRootIsReadAndNothingElse) {
  for (const char* path : {"root", "root/sub", "root/sub/f", "second/f", "home/log", "home/tmp"})
    EXPECT_EQ(opened(dir.file(path)), 0) << path;
  for (const char* path : {"outside", "outside/f", "home", "home/backupconfig.toml", "."})
    EXPECT_EQ(opened(dir.file(path)), EACCES) << path;
  for (const char* path : {"/etc/passwd", "/proc/self/environ", "/", "/dev/null"})
    EXPECT_EQ(opened(path), EACCES) << path;
}

TEST_F(TreeConfined, NothingIsWrittenButTheLogAndTemporaryFiles) {
  EXPECT_EQ(opened(dir.file("home/log/new"), O_WRONLY | O_CREAT), 0);
  EXPECT_EQ(opened(dir.file("home/tmp"), O_RDWR | O_TMPFILE), 0);
  EXPECT_EQ(opened(dir.file("root/sub/f"), O_WRONLY), EACCES);
  EXPECT_EQ(opened(dir.file("root/new"), O_WRONLY | O_CREAT), EACCES);
  EXPECT_EQ(opened(dir.file("home/new"), O_WRONLY | O_CREAT), EACCES);
  const std::string file = dir.file("root/sub/f");
  EXPECT_EQ(inside([&] { return ::unlink(file.c_str()) < 0 ? errno : 0; }), EACCES);
  EXPECT_EQ(inside([&] { return ::truncate(file.c_str(), 0) < 0 ? errno : 0; }), EACCES);
}

TEST_F(TreeConfined, WhatIsMountedBelowARootIsReadToo) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to mount";
  const std::string sub = dir.file("root/sub");
  before = [&] { mount_over(sub, nullptr); };
  replace_durably(dir.file("outside/only-there"), "x");
  EXPECT_EQ(opened(sub + "/only-there"), 0) << "a folder bound there";
  EXPECT_EQ(opened(dir.file("outside/only-there")), EACCES) << "the same by its other name";
  before = [&] { mount_over(sub, "tmpfs"); };
  EXPECT_EQ(opened(sub), 0) << "another file system";
}

TEST_F(TreeConfined, NoProgramIsStartedAndNoRightIsGained) {
  EXPECT_EQ(inside([] { return ::execl("/bin/true", "true", nullptr), errno; }), EPERM);
  EXPECT_EQ(inside([] { return ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); }), 1);
}

TEST_F(TreeConfined, NoNetworkIsReachedAndNoNamespaceLeft) {
  const auto of = [&](const std::function<long()>& call) {
    return inside([&] { return call() < 0 ? errno : 0; });
  };
  EXPECT_EQ(of([] { return ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); }), EPERM);
  EXPECT_EQ(of([] { return ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0); }), EPERM);
  EXPECT_EQ(of([] { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); }), 0);
  EXPECT_EQ(of([] { return ::unshare(CLONE_NEWNS); }), EPERM);
}

std::string frame(pull::FrameType type, const std::string& payload) {
  std::string out;
  pull::append_frame(out, type, payload);
  return out;
}

// What comes next on a pipe, within 20 seconds.
std::string read_some(const Fd& pipe) {
  pollfd ready{pipe.get(), POLLIN, 0};
  if (::poll(&ready, 1, 20000) != 1) return {};
  std::string out(4096, '\0');
  const ssize_t size = ::read(pipe.get(), out.data(), out.size());
  out.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  return out;
}

// Asks the real program for a root, after another folder was put in its place behind its back: only the
// kernel can tell the two apart.
TEST_F(TreeConfined, TheAgentItselfIsConfinedBeforeItIsAskedForARoot) {
  const std::string root = dir.file("root");
  replace_durably(dir.file("home/backupconfig.toml"),
                  "host='h'\n[server.main]\nurl='ssh://b@localhost/w.git'\nhostkey='a b'\nidentity='k'\n"
                  "[consent.main]\nroots=['" +
                      root + "']\n");
  ASSERT_EQ(::mkfifo(dir.file("in").c_str(), 0600), 0);
  ASSERT_EQ(::mkfifo(dir.file("out").c_str(), 0600), 0);
  const Fd in(::open(dir.file("in").c_str(), O_RDWR | O_CLOEXEC));
  const Fd out(::open(dir.file("out").c_str(), O_RDWR | O_CLOEXEC));
  Command command{{std::string(BK_BIN_DIR) + "/backup_agent", "--home", consent.home, "--server", "main"},
                  base_environment(consent.home),
                  consent.home,
                  in.get(),
                  out.get(),
                  -1,
                  {}};
  command.environment.push_back("SSH_ORIGINAL_COMMAND=backline tree");
  const Child child = start(command);
  write_all(in.get(), frame(pull::FrameType::Hello, encode(pull::Hello{})));
  ASSERT_NE(read_some(out), "") << "its hello: it is confined by now";
  ASSERT_EQ(::rename(root.c_str(), dir.file("away").c_str()), 0);
  ASSERT_EQ(::rename(dir.file("outside").c_str(), root.c_str()), 0);
  write_all(in.get(), frame(pull::FrameType::Open, encode(pull::Open{root})));
  const std::string answer = read_some(out);
  EXPECT_NE(answer.find("Permission denied"), std::string::npos) << answer;
}

}  // namespace
}  // namespace bk::agent
