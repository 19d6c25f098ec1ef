// init and update on a real repository, pushed to by stock git through the real hooks.
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/process/process.h"
#include "server/access/home.h"
#include "server/access/init.h"
#include "server/access/update.h"
#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace bk::server {
namespace {

const std::string kAnn = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICU/iDvoPwEbyCB1uMfUF4XcUbpOFuAKekg8qQxd5RAx";
const std::string kBob = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINsNlfmQAtyvWcHa85DFa31JROgc6hiyvvVtXQNiaFF/";

class Admin : public ::testing::Test {
 protected:
  void SetUp() override {
    // The real programs stand in scripts/, as they do in an installation.
    ensure_directory(home() + "/scripts");
    ASSERT_EQ(::symlink(BK_BIN_DIR "/bk_access", (home() + "/scripts/bk_access").c_str()), 0);
    EXPECT_EQ(init_access(home(), kAnn + " ann\n", ""), "ann");
  }
  [[nodiscard]] std::string home() const { return dir_.file("home"); }
  [[nodiscard]] std::string clone() const { return dir_.file("clone"); }
  [[nodiscard]] std::string authorized_keys() const { return read_file(home() + "/.ssh/authorized_keys"); }

  Captured git(std::vector<std::string> words, const std::string& where) {
    Command command;
    command.argv = {"git", "-c", "user.name=t", "-c", "user.email=t@t"};
    command.argv.insert(command.argv.end(), words.begin(), words.end());
    command.environment = base_environment(dir_.path());
    command.environment.emplace_back("GIT_CONFIG_NOSYSTEM=1");
    command.directory = where;
    return run_captured(command, std::chrono::seconds(30));
  }
  void take_clone() {
    ASSERT_EQ(git({"clone", "-q", admin_repository(home()), clone()}, dir_.path()).status, 0);
  }
  // Commits the files and pushes; what git printed.
  Captured push(const std::vector<std::pair<std::string, std::string>>& files) {
    for (const auto& [name, text] : files) {
      if (text.empty()) {
        remove_durably(clone() + "/" + name);
      } else {
        replace_durably(clone() + "/" + name, text, 0644);
      }
    }
    (void)git({"add", "-A"}, clone());
    (void)git({"commit", "-q", "-m", "change"}, clone());
    return git({"push", "-q"}, clone());
  }

 private:
  test::TempDir dir_;
};

TEST_F(Admin, InitMakesARepositoryThatGrantsItsAdministrator) {
  take_clone();
  EXPECT_EQ(list_directory(clone() + "/keydir"), std::vector<std::string>{"ann.pub"});
  EXPECT_TRUE(load_gitosis_conf(home()).find_writable("ann", "gitosis-admin"));
  EXPECT_NE(authorized_keys().find("serve ann\" " + kAnn + "\n"), std::string::npos);
  struct stat info {};
  ASSERT_EQ(::stat((home() + "/.ssh/authorized_keys").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0600U);
}

TEST_F(Admin, InitAgainIsHarmlessAndKeepsForeignKeys) {
  replace_durably(home() + "/.ssh/authorized_keys", "ssh-rsa AAAA mine\n" + authorized_keys());
  const std::string before = authorized_keys();
  take_clone();
  ASSERT_EQ(push({{"keydir/bob.pub", kBob + "\n"}}).status, 0);
  EXPECT_EQ(init_access(home(), kAnn, "ann"), "ann");
  EXPECT_EQ(authorized_keys().find(before.substr(0, before.size() - 1)), 0U);
  EXPECT_NE(authorized_keys().find("serve bob"), std::string::npos) << "a second init keeps what was pushed";
}

TEST_F(Admin, AnAcceptedPushIsInForceWhenItReturns) {
  take_clone();
  ASSERT_EQ(push({{"keydir/web1.pub", kBob + "\n"},
                  {"gitosis.conf",
                   read_file(clone() + "/gitosis.conf") + "[group w]\nmembers = web1\nwritable = web1\n"},
                  {"backline.conf", "[client web1]\naddress = b@localhost\n"}})
                .status,
            0);
  EXPECT_TRUE(load_gitosis_conf(home()).find_writable("web1", "web1"));
  EXPECT_EQ(load_backline_conf(home()).find("web1")->address, "b@localhost");
  EXPECT_NE(authorized_keys().find("serve web1\" " + kBob), std::string::npos);
}

TEST_F(Admin, APushShowsWhatChangesForWhom) {
  take_clone();
  const Captured result = push({{"keydir/web1.pub", kBob + "\n"},
                                {"gitosis.conf", read_file(clone() + "/gitosis.conf") +
                                                     "[group w]\nmembers = web1\nwritable = web1\n"}});
  EXPECT_EQ(result.status, 0);
  EXPECT_NE(result.err.find("change: web1 gains the key ssh-ed25519 SHA256:"), std::string::npos)
      << result.err;
  EXPECT_NE(result.err.find("change: web1 gains write web1"), std::string::npos) << result.err;
}

TEST_F(Admin, TheLaterGrammarIsInForceAfterAPush) {
  take_clone();
  ASSERT_EQ(push({{"gitosis.conf", "@admins = ann\nrepo gitosis-admin\n\tRW+ = @admins\n"}}).status, 0);
  EXPECT_TRUE(load_gitosis_conf(home()).find_writable("ann", "gitosis-admin"));
  EXPECT_EQ(load_gitosis_conf(home()).grammar(), Grammar::Later);
  const Captured cyclic = push({{"gitosis.conf", "@a = @b\n@b = @a\nrepo gitosis-admin\n\tRW+ = @a\n"}});
  EXPECT_NE(cyclic.status, 0);
  EXPECT_NE(cyclic.err.find("would lock every administrator out"), std::string::npos) << cyclic.err;
}

TEST_F(Admin, AnAdministratorWhoseOnlyKeyHasExpiredCountsAsLockedOut) {
  take_clone();
  const Captured result = push({{"keydir/ann.pub", "expiry-time=\"20200101\" " + kAnn + "\n"}});
  EXPECT_NE(result.status, 0);
  EXPECT_NE(result.err.find("would lock every administrator out"), std::string::npos) << result.err;
}

TEST_F(Admin, ABadPushIsRefusedAsAWholeWithLineAndReason) {
  take_clone();
  const std::string before = authorized_keys();
  const Captured result = push({{"keydir/bob.pub", kBob + "\n"}, {"gitosis.conf", "[gitosis]\n[group g\n"}});
  EXPECT_NE(result.status, 0);
  EXPECT_NE(result.err.find("gitosis.conf:2: a section needs the form [NAME]"), std::string::npos)
      << result.err;
  EXPECT_EQ(authorized_keys(), before);
  EXPECT_TRUE(load_gitosis_conf(home()).find_writable("ann", "gitosis-admin"));
}

TEST_F(Admin, RulesWithAMistakeAreRefusedThoughAFileInForceGoesOn) {
  take_clone();
  const std::string conf = read_file(clone() + "/gitosis.conf");
  for (const char* line : {"writable = ../etc\n", "writable_regex = (\n", "map writable a = /etc\n"}) {
    const Captured result = push({{"gitosis.conf", conf + "[group g]\nmembers = ann\n" + line}});
    EXPECT_NE(result.status, 0) << line;
    EXPECT_NE(result.err.find("nothing has changed: gitosis.conf:8: "), std::string::npos) << result.err;
  }
}

TEST_F(Admin, APushThatWouldLockEveryAdministratorOutIsRefused) {
  take_clone();
  const Captured result = push({{"keydir/ann.pub", ""}, {"keydir/bob.pub", kBob}});
  EXPECT_NE(result.status, 0);
  EXPECT_NE(result.err.find("would lock every administrator out"), std::string::npos) << result.err;
}

TEST_F(Admin, ALinkInTheKeyFolderIsRefused) {
  take_clone();
  ASSERT_EQ(::symlink("/etc/passwd", (clone() + "/keydir/eve.pub").c_str()), 0);
  const Captured result = push({});
  EXPECT_NE(result.status, 0);
  EXPECT_NE(result.err.find("\"keydir/eve.pub\": must be a plain file"), std::string::npos) << result.err;
}

TEST_F(Admin, AKeyFileWithANewlineInItsNameIsRefused) {
  take_clone();
  const Captured result = push({{"keydir/ann\n.pub", kBob + "\n"}});
  EXPECT_NE(result.status, 0);
  EXPECT_NE(result.err.find("is no user name"), std::string::npos) << result.err;
}

TEST_F(Admin, OnlyTheBranchMasterMayBePushed) {
  take_clone();
  EXPECT_NE(git({"push", "-q", "origin", "HEAD:refs/heads/other"}, clone()).status, 0);
  EXPECT_NE(git({"push", "-q", "origin", "HEAD:refs/tags/v1"}, clone()).status, 0);
  EXPECT_NE(git({"push", "-q", "origin", ":refs/heads/master"}, clone()).status, 0);
}

TEST_F(Admin, HistoryCannotBeRewritten) {
  take_clone();
  ASSERT_EQ(push({{"backline.conf", "# one\n"}}).status, 0);
  (void)git({"reset", "-q", "--hard", "HEAD^"}, clone());
  (void)push({{"backline.conf", "# two\n"}});
  EXPECT_NE(git({"push", "-q", "--force"}, clone()).status, 0);
}

TEST_F(Admin, ARuleOfAnUpdateThatDidNotEndIsCaughtUp) {
  take_clone();
  ASSERT_EQ(push({{"keydir/bob.pub", kBob + "\n"}}).status, 0);
  // As after a crash before anything was written.
  remove_durably(accepted_file(home(), "tip"));
  remove_durably(home() + "/.ssh/authorized_keys");
  EXPECT_EQ(refresh_access(home()), "");
  EXPECT_NE(authorized_keys().find("serve bob"), std::string::npos);
}

TEST_F(Admin, AKeyOfABadUserNameIsNotTakenForInit) {
  EXPECT_THROW((void)init_access(home() + "2", kAnn + " a;b", ""), Error);
  EXPECT_THROW((void)init_access(home() + "2", "rubbish", "ann"), Error);
  EXPECT_FALSE(path_exists(home() + "2"));
}

}  // namespace
}  // namespace bk::server
