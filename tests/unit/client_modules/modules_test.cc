// Real git, real tar, real cmds in temporary homes.
#include "client/modules/archive_folder.h"
#include "client/modules/expand.h"
#include "client/modules/prepare.h"
#include "client/modules/ready.h"
#include "client/modules/repositories.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/process/process.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

namespace bk::client {
namespace {

class ModulesTest : public ::testing::Test {
 protected:
  ModulesTest() {
    char name[] = "/tmp/bk-modules-XXXXXX";
    home = ::mkdtemp(name);
  }
  ~ModulesTest() override { remove_tree(home); }

  std::string make(const std::string& relative, std::string_view bytes = {}) {
    const std::string path = home + "/" + relative;
    ensure_directory(parent_of(path));
    replace_durably(path, bytes);
    return path;
  }
  Captured run(std::vector<std::string> argv) {
    return run_captured({std::move(argv), base_environment(home), home, -1, -1, -1, {}},
                        std::chrono::minutes(1));
  }
  void git_init(const std::string& path, bool bare) {
    std::vector<std::string> argv{"git", "init", "-q", path};
    if (bare) argv.insert(argv.begin() + 2, "--bare");
    ASSERT_EQ(run(argv).status, 0);
  }

  std::string home;
  SystemClock clock;
  SystemRandom random;
};

TEST_F(ModulesTest, EveryRepositoryIsFoundBareOrNotAndNoneThroughASymlink) {
  ensure_directory(home + "/base/deep/er");
  git_init(home + "/base/bare.git", true);
  git_init(home + "/base/no-suffix", true);
  git_init(home + "/base/deep/er/tree", false);
  git_init(home + "/outside", false);
  git_init(home + "/base/deep/er/tree/.git/modules/sub", true);
  ASSERT_EQ(::symlink((home + "/outside").c_str(), (home + "/base/link").c_str()), 0);
  make("base/not/HEAD", "text");
  const FoundRepositories found = find_repositories(home + "/base");
  EXPECT_EQ(found.paths, (std::vector<std::string>{home + "/base/bare.git", home + "/base/deep/er/tree",
                                                   home + "/base/deep/er/tree/.git/modules/sub",
                                                   home + "/base/no-suffix"}));
  EXPECT_TRUE(found.unreadable.empty());
  EXPECT_EQ(git_directory(home + "/base/deep/er/tree"), home + "/base/deep/er/tree/.git");
  EXPECT_EQ(git_directory(home + "/base/bare.git"), home + "/base/bare.git");
  EXPECT_EQ(git_directory(home + "/base/not"), "");
  EXPECT_THROW((void)find_repositories(home + "/absent"), Error);
}

TEST_F(ModulesTest, DeepFoldersAreSearchedWithoutRecursion) {
  std::string path = home + "/base";
  for (int i = 0; i < 1500; ++i) path += "/d";
  ASSERT_EQ(run({"mkdir", "-p", path}).status, 0);
  git_init(path + "/r.git", true);
  EXPECT_EQ(find_repositories(home + "/base").paths, std::vector<std::string>{path + "/r.git"});
}

TEST_F(ModulesTest, WhatGitDoesNotCarryIsASourceOfItsOwn) {
  git_init(home + "/tree", false);
  const std::string git = home + "/tree/.git";
  EXPECT_TRUE(companions(git).empty());
  make("tree/.git/lfs/objects/ab/cd/abcd", "object");
  make("tree/.git/worktrees/there/HEAD", "ref: refs/heads/topic\n");
  make("tree/.git/worktrees/there/commondir", "../..\n");
  EXPECT_EQ(companions(git), std::vector<std::string>{git + "/lfs/objects"});
  EXPECT_TRUE(is_linked_work_tree(git + "/worktrees/there"));
  make("tree/.git/worktrees/there/HEAD", std::string(40, 'a') + "\n");
  EXPECT_EQ(companions(git), (std::vector<std::string>{git + "/lfs/objects", git + "/worktrees/there"}));
  make("tree/.git/worktrees/there/commondir", "/etc\n");
  EXPECT_FALSE(is_linked_work_tree(git + "/worktrees/there"));
  make("plain/lfs/objects/x", "not a repository's");
  EXPECT_FALSE(is_lfs_folder(home + "/plain/lfs/objects"));
}

TEST_F(ModulesTest, AMissingPathIsOneClearLineAndTheOthersGoOn) {
  make("a/x");
  ModuleConfig module;
  module.name = "directories";
  module.kind = "directories";
  module.paths = {home + "/a", home + "/absent"};
  const Expanded out = expand({}, module);
  ASSERT_EQ(out.wanted.size(), 1U);
  EXPECT_EQ(out.problems, std::vector<std::string>{bk::quoted(home + "/absent") + " does not exist"});
  EXPECT_EQ(out.status, kExitNotFound);
}

TEST_F(ModulesTest, ReadyTextHasThreeFormsOfPlaceAndNoForeignHost) {
  EXPECT_EQ(parse_ready_text("git /srv/a b.git", "web1").place, "/srv/a b.git");
  EXPECT_EQ(parse_ready_text("rsync user@web1:/srv", "web1").place, "/srv");
  EXPECT_EQ(parse_ready_text("git ssh://u@web1:22/srv", "web1").place, "/srv");
  const ReadyText timed = parse_ready_text("sftp 26-07-14_03_15_00 /tmp/x", "web1");
  EXPECT_TRUE(timed.prepared);
  EXPECT_EQ(timed.place, "/tmp/x");
  EXPECT_EQ(parse_ready_text("sftp 2026-07-14T03:15:00Z web1:/tmp/x", "web1").prepared->seconds, 1783998900);
  for (const char* bad : {"", "git", "git ", "-x /a", "git /a/../b", "git a/b", "git web2:/a",
                          "git ssh://web2/a", "git ssh://u@evil@web2/a", "git web1:a", "git /a/"})
    EXPECT_THROW((void)parse_ready_text(bad, "web1"), Error) << bad;
}

TEST_F(ModulesTest, AnArchiveHoldsEverythingAndIsNamedByItsDigest) {
  make("data/caf\xc3\xa9 \n\xff", "odd name");
  make("data/sub/file", std::string(3U << 20U, 'x'));
  ASSERT_EQ(::symlink("sub/file", (home + "/data/link").c_str()), 0);
  ASSERT_EQ(::link((home + "/data/sub/file").c_str(), (home + "/data/sub/twin").c_str()), 0);
  ASSERT_EQ(::mkfifo((home + "/data/fifo").c_str(), 0600), 0);
  const Fd sparse = open_file(home + "/data/sparse", O_WRONLY | O_CREAT, 0640);
  ASSERT_EQ(::pwrite(sparse.get(), "end", 3, 8 << 20), 3);
  ASSERT_EQ(::ftruncate(sparse.get(), 16 << 20), 0);
  const timespec times[2] = {{1500000000, 123456789}, {1500000000, 123456789}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (home + "/data/sub/file").c_str(), times, 0), 0);
  const MadeArchive made = archive_folder(home + "/data", home + "/tmp");
  EXPECT_TRUE(made.skipped.empty());
  EXPECT_EQ(made.path, home + "/tmp/" + made.sha256.hex());
  EXPECT_EQ(Sha256::of(read_file(made.path)), made.sha256);
  EXPECT_LT(made.bytes, 5U << 20U) << "holes are not written";
  ensure_directory(home + "/out");
  const Captured tar = run({"tar", "-xpf", made.path, "-C", home + "/out"});
  ASSERT_EQ(tar.status, 0) << tar.err;
  EXPECT_EQ(run({"diff", "-r", "--no-dereference", home + "/data/sub", home + "/out/data/sub"}).status, 0);
  EXPECT_EQ(read_file(home + "/out/data/sparse"), read_file(home + "/data/sparse"));
  EXPECT_EQ(read_file(home + "/out/data/caf\xc3\xa9 \n\xff"), "odd name");
  struct stat info {};
  ASSERT_EQ(::stat((home + "/out/data/sub/twin").c_str(), &info), 0);
  EXPECT_EQ(info.st_nlink, 2U);
  EXPECT_EQ(info.st_mtim.tv_nsec, 123456789);
  EXPECT_EQ(archive_folder(home + "/data", home + "/tmp").sha256, made.sha256)
      << "same content, same archive";
}

TEST_F(ModulesTest, AMissingFolderLeavesNoArchive) {
  EXPECT_THROW((void)archive_folder(home + "/absent", home + "/tmp"), Error);
  EXPECT_TRUE(list_directory(home + "/tmp").empty());
}

// A home with a queue of one request whose cmd is a script of the test.
class PrepareTest : public ModulesTest {
 protected:
  PrepareTest() {
    make("data/file", "content");
    ensure_directory(home + "/scripts/cmds");
    for (const char* program : {"cmds/backup_git", "cmds/backup_dir", "cmds/backup_archive", "add_queue"})
      (void)::symlink((std::string(BK_BIN_DIR) + "/" + program).c_str(),
                      (home + "/scripts/" + program).c_str());
  }

  Queued prepare(const std::string& module, const std::string& name, const std::string& script = {},
                 const std::string& limit = "1m") {
    std::string text =
        "host = 'web1'\n[server.main]\nurl='ssh://b@localhost/web1.git'\nhostkey='a b'\nidentity='k'\n";
    if (script.empty()) text += "[module.wiki]\ncmd=['backup_archive']\nmethod='sftp'\n";
    if (!script.empty()) {
      make("scripts/cmds/mine", "#!/bin/sh\n" + script);
      (void)::chmod((home + "/scripts/cmds/mine").c_str(), 0700);
      text += "[module." + module + "]\ncmd=['mine', 'fixed']\ntime_limit='" + limit + "'\n";
    }
    make("backupconfig.toml", text);
    config = load_config(home);
    queue.emplace(home, "main", "web1", clock, random);
    (void)queue->add({{module, name}});
    const Queued begun = queue->begin(queue->list("C").entries.at(0).item).value();
    const Log log(home, "test", clock);
    const Workshop shop{config, *queue, log, clock};
    return prepare_all(shop, {begun}).at(0);
  }
  char state() { return queue->list().entries.at(0).state; }

  ClientConfig config;
  std::optional<Queue> queue;
};

TEST_F(PrepareTest, BuiltInCmdsPrepareForTheirMethods) {
  const Queued tree = prepare("directories", home + "/data");
  EXPECT_EQ(tree.step, Step::Prepared) << tree.reason;
  EXPECT_EQ(tree.request.method, "rsync");
  EXPECT_EQ(tree.request.place, home + "/data");
}

TEST_F(PrepareTest, ARepositoryIsPulledFromWhereGitKeepsItsFiles) {
  git_init(home + "/data/tree", false);
  const Queued item = prepare("git", home + "/data/tree");
  EXPECT_EQ(item.step, Step::Prepared) << item.reason;
  EXPECT_EQ(item.request.place, home + "/data/tree/.git");
}

TEST_F(PrepareTest, AnArchiveComesWithItsLengthAndDigest) {
  const Queued item = prepare("wiki", home + "/data");
  ASSERT_EQ(item.step, Step::Prepared) << item.reason;
  EXPECT_EQ(item.request.method, "sftp");
  EXPECT_EQ(item.request.archive_sha256, Sha256::of(read_file(item.request.place)).hex());
  EXPECT_EQ(item.request.archive_bytes, read_file(item.request.place).size());
  EXPECT_EQ(state(), 'P');
}

TEST_F(PrepareTest, AVanishedSourceIsAFailedAttemptAndNeverASuccess) {
  const Queued item = prepare("wiki", home + "/gone");
  EXPECT_EQ(item.step, Step::Waiting);
  EXPECT_EQ(item.attempts, 1U);
  EXPECT_NE(item.reason.find("No such file"), std::string::npos) << item.reason;
  EXPECT_EQ(state(), 'C');
}

TEST_F(PrepareTest, AUsersCmdGetsItsArgumentsWithoutAShellAndEndsByAddQueue) {
  ensure_directory(home + "/data/$(touch x) \"y\"");
  const Queued item = prepare("mine", home + "/data/$(touch x) \"y\"",
                              "[ \"$1\" = fixed ] || exit 9\n"
                              "echo dump > \"$BACKLINE_HOME/tmp/dump\"\n"
                              "exec add_queue \"$BACKLINE_NAME\" \"sftp web1:$BACKLINE_HOME/tmp/dump\"\n");
  EXPECT_EQ(item.step, Step::Prepared) << item.reason;
  EXPECT_EQ(item.request.archive_bytes, 5U);
  EXPECT_EQ(item.request.archive_sha256, Sha256::of("dump\n").hex());
}

TEST_F(PrepareTest, ACmdThatFailsAfterAddQueueHasFailed) {
  const Queued item = prepare("mine", home + "/data",
                              "add_queue \"$BACKLINE_NAME\" \"rsync $2\"\necho 'disk on fire' >&2\nexit 7\n");
  EXPECT_EQ(item.step, Step::Waiting);
  EXPECT_EQ(item.reason, "disk on fire");
}

TEST_F(PrepareTest, ACmdThatSaysNothingHasFailed) {
  const Queued item = prepare("mine", home + "/data", "exit 0\n");
  EXPECT_NE(item.reason.find("never called add_queue"), std::string::npos) << item.reason;
}

TEST_F(PrepareTest, ACmdThatHangsIsStoppedWithItsChildren) {
  const Queued item = prepare("mine", home + "/data",
                              "sh -c 'sleep 60; echo late' &\necho $! >" + home + "/pid\nwait\n", "1s");
  EXPECT_NE(item.reason.find("did not end within 1 s"), std::string::npos) << item.reason;
  const pid_t pid = static_cast<pid_t>(std::stol(read_file(home + "/pid")));
  // Gone, or a zombie that nobody reaps in this container.
  const std::optional<std::string> stat = try_read_file("/proc/" + std::to_string(pid) + "/stat");
  EXPECT_TRUE(!stat || stat->find(") Z") != std::string::npos) << *stat;
}

TEST_F(PrepareTest, SkippedEntriesOfTheSourceTravelWithTheRequest) {
  const Queued item =
      prepare("mine", home + "/data",
              "echo 'unreadable a%20b' >\"$BACKLINE_HOME/list\"\n"
              "add_queue --skipped \"$BACKLINE_HOME/list\" \"$BACKLINE_NAME\" \"rsync $2\"\nexit 3\n");
  ASSERT_EQ(item.step, Step::Prepared) << item.reason;
  EXPECT_EQ(item.request.skipped, std::vector<std::string>{"unreadable a%20b"});
}

TEST_F(PrepareTest, MoreSkippedEntriesThanAreNamedAreCounted) {
  const Queued item = prepare("directories", home + "/data");
  const client::Run cmd{home, "main", item.token, "directories", home + "/data"};
  report_ready(cmd, {"rsync", std::nullopt, home + "/data"}, {"", {"denied a", "denied b"}, 5000}, clock);
  const std::optional<Ready> ready = queue->find_ready(item.token);
  ASSERT_TRUE(ready.has_value());
  EXPECT_EQ(ready->skipped_count, 5000U);
  EXPECT_EQ(ready->skipped.size(), 2U);
}

TEST_F(PrepareTest, ACmdThatIsNotThereIsOneClearLine) {
  prepare("mine", home + "/data", "exit 0\n");
  ModuleConfig absent;
  absent.name = "x";
  absent.cmd = {"absent"};
  try {
    (void)find_cmd(config, absent);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Config);
    EXPECT_NE(std::string(error.what()).find("module x: cmd \"absent\" is not there"), std::string::npos);
  }
}

}  // namespace
}  // namespace bk::client
