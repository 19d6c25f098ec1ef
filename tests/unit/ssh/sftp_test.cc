#include "common/digest/sha256.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/random/random.h"
#include "common/ssh/ssh.h"
#include "tests/support/sshd.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <map>

namespace bk::ssh {
namespace {

using namespace std::chrono_literals;
using test::Sshd;

constexpr const char* kServer = "/usr/lib/openssh/sftp-server -R";

class SftpRead : public testing::Test {
 protected:
  Sshd server_;
  Session session_{server_.endpoint()};
  test::TempDir dir_;

  std::string file(std::size_t bytes) {
    std::string content = SystemRandom().bytes(std::min<std::size_t>(bytes, 1U << 20U));
    while (content.size() < bytes) content += content.substr(0, bytes - content.size());
    replace_durably(dir_.file("file"), content);
    return content;
  }
};

TEST_F(SftpRead, AFileOfAnySizeComesWholeAndInOrder) {
  Sftp sftp(session_, kServer);
  for (const std::size_t size : {0U, 1U, 65535U, 65536U, 65537U, 1U << 20U, 60U << 20U}) {
    const std::string content = file(size);
    std::string got;
    sftp.read_from(
        dir_.file("file"), 0, [&](std::string_view piece) { got += piece; }, 20s);
    EXPECT_TRUE(got == content) << size;
    EXPECT_EQ(sftp.stat(dir_.file("file")).bytes, size);
    EXPECT_TRUE(sftp.stat(dir_.file("file")).regular);
  }
}

TEST_F(SftpRead, AReadGoesOnWhereACutOneEnded) {
  Sftp sftp(session_, kServer);
  const std::string content = file(3000000);
  std::string got;
  sftp.read_from(
      dir_.file("file"), 1234567, [&](std::string_view piece) { got += piece; }, 20s);
  EXPECT_TRUE(got == content.substr(1234567));
}

TEST_F(SftpRead, AMissingFileIsNotFoundAndADirectoryIsNotRegular) {
  Sftp sftp(session_, kServer);
  try {
    (void)sftp.stat(dir_.file("none"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::NotFound) << error.what();
  }
  EXPECT_FALSE(sftp.stat(dir_.path()).regular);
}

TEST_F(SftpRead, AFileComesThroughOneHandleWithWhatItWasBeforeAndAfter) {
  Sftp sftp(session_, kServer);
  for (const std::size_t size : {0U, 1U, 65536U, 65537U, 5U << 20U}) {
    const std::string content = file(size);
    std::string got;
    const Sftp::Around around =
        sftp.read_file(dir_.file("file"), [&](std::string_view piece) { got += piece; });
    EXPECT_TRUE(got == content) << size;
    EXPECT_EQ(around.before, around.after);
    EXPECT_EQ(around.before.bytes, size);
  }
  EXPECT_THROW((void)sftp.read_file(dir_.path(), [](std::string_view) {}), Error);
}

TEST_F(SftpRead, AFileThatGrowsOrShrinksWhileItIsReadShowsIt) {
  Sftp sftp(session_, kServer);
  (void)file(8U << 20U);
  std::uint64_t got = 0;
  const auto shrink = [&](std::string_view piece) {
    const int cut = got == 0 ? ::truncate(dir_.file("file").c_str(), 70000) : 0;
    EXPECT_EQ(cut, 0);
    got += piece.size();
  };
  const Sftp::Around around = sftp.read_file(dir_.file("file"), shrink);
  EXPECT_EQ(around.after.bytes, 70000U);
  EXPECT_LT(got, 8U << 20U);
}

TEST_F(SftpRead, AListingHoldsEveryEntryWithItsFacts) {
  Sftp sftp(session_, kServer);
  const std::string folder = dir_.file("folder");
  ASSERT_EQ(::mkdir(folder.c_str(), 0750), 0);
  ASSERT_EQ(::mkdir((folder + "/sub").c_str(), 0700), 0);
  ASSERT_EQ(::symlink("nowhere \xff", (folder + "/link").c_str()), 0);
  ASSERT_EQ(::mkfifo((folder + "/fifo").c_str(), 0600), 0);
  for (int i = 0; i < 500; ++i) replace_durably(folder + "/n\xfe" + std::to_string(i), std::string(i, 'x'));
  std::map<std::string, Sftp::Facts> found;
  sftp.list(folder, [&](const std::string& name, const Sftp::Facts& facts) { found[name] = facts; });
  EXPECT_EQ(found.size(), 503U);
  for (const auto& [name, facts] : found) {
    struct stat truth {};
    ASSERT_EQ(::lstat((folder + "/" + name).c_str(), &truth), 0) << name;
    EXPECT_EQ(facts.mode, truth.st_mode) << name;
    EXPECT_EQ(facts.bytes, static_cast<std::uint64_t>(truth.st_size)) << name;
    EXPECT_EQ(facts.mtime, truth.st_mtim.tv_sec) << name;
    EXPECT_EQ(sftp.look_at(folder + "/" + name), facts) << name;
  }
  EXPECT_EQ(sftp.read_link(folder + "/link"), "nowhere \xff");
  EXPECT_THROW(sftp.list(dir_.file("none"), [](const std::string&, const Sftp::Facts&) {}), Error);
}

TEST_F(SftpRead, TheSubsystemServesWhereThereIsNoAgent) {
  test::Sshd::Options options;
  options.config = {"Subsystem sftp internal-sftp -R"};
  const Sshd plain(options);
  Session session(plain.endpoint());
  Sftp sftp(session);
  const std::string content = file(100000);
  std::string got;
  (void)sftp.read_file(dir_.file("file"), [&](std::string_view piece) { got += piece; });
  EXPECT_TRUE(got == content);
}

TEST_F(SftpRead, PathsAreResolvedAndFileSystemsToldApart) {
  Sftp sftp(session_, kServer);
  const std::string content = file(1000);
  ASSERT_EQ(::symlink("file", dir_.file("link").c_str()), 0);
  EXPECT_EQ(sftp.real_path(dir_.file("link")), sftp.real_path(dir_.file("file")));
  EXPECT_TRUE(sftp.real_path(dir_.file("./file")).ends_with("/file"));
  EXPECT_EQ(sftp.read_beginning(dir_.file("file"), 100), content.substr(0, 100));
  EXPECT_EQ(sftp.read_beginning(dir_.file("file"), 5000), content);
  ASSERT_TRUE(sftp.file_system("/proc"));
  EXPECT_NE(sftp.file_system("/proc"), sftp.file_system(dir_.path()));
  std::string rest;
  (void)sftp.read_file(
      dir_.file("file"), [&](std::string_view piece) { rest += piece; }, 900);
  EXPECT_EQ(rest, content.substr(900));
  EXPECT_THROW((void)sftp.read_file(
                   dir_.file("file"), [](std::string_view) {}, 1001),
               Error);
}

TEST_F(SftpRead, AFrozenPeerEndsAtTheDeadline) {
  Sftp sftp(session_, kServer);
  (void)file(30U << 20U);
  const auto begin = std::chrono::steady_clock::now();
  bool frozen = false;
  EXPECT_THROW(sftp.read_from(
                   dir_.file("file"), 0,
                   [&](std::string_view) {
                     if (std::exchange(frozen, true)) return;
                     for (const pid_t pid : server_.descendants()) (void)::kill(pid, SIGSTOP);
                   },
                   700ms),
               Error);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
}

TEST_F(SftpRead, AFarSideThatIsNoSftpServerIsAnErrorAndNotAHang) {
  EXPECT_THROW(Sftp(session_, "echo no >&2; exit 77"), Error);
}

TEST_F(SftpRead, AnErrorOfTheSinkTravelsThrough) {
  Sftp sftp(session_, kServer);
  (void)file(5000000);
  const auto full = [](std::string_view) { throw Error(Kind::Io, "disk full"); };
  EXPECT_THROW(sftp.read_from(dir_.file("file"), 0, full, 20s), Error);
}

}  // namespace
}  // namespace bk::ssh
