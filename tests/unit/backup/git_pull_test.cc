// The git driver against a real sshd and stock git on the far side.
#include "common/error/error.h"
#include "common/io/file.h"
#include "server/pull/driver.h"
#include "server/pull/git_refs.h"
#include "server/pull/git_view.h"
#include "tests/support/long_way.h"
#include "tests/support/sshd.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <random>

namespace bk::pull {
namespace {

std::string git(const std::vector<std::string>& words, int want = 0, const std::string& input = {}) {
  Command command;
  command.argv = {"git",
                  "-c",
                  "user.name=t",
                  "-c",
                  "user.email=t@localhost",
                  "-c",
                  "init.defaultBranch=main",
                  "-c",
                  "safe.directory=*"};
  command.argv.insert(command.argv.end(), words.begin(), words.end());
  command.environment = base_environment("/nonexistent");
  Captured done = run_captured(command, std::chrono::seconds(60), 64U << 20U, input);
  EXPECT_EQ(done.status, want) << words[0] << " " << words[1] << ": " << done.err;
  while (done.out.ends_with('\n')) done.out.pop_back();
  return done.out;
}

std::string random_text(std::size_t count) {
  std::mt19937_64 random(count);
  std::string out(count, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

// A client with one repository behind a private sshd, and a server that pulls it.
struct World {
  test::Sshd sshd;
  test::TempDir dir;
  std::string repo = dir.file("repo.git");
  std::string home = dir.file("home");
  std::string work = dir.file("work");
  std::unique_ptr<store::Store> store = store::Store::open(dir.file("store"), true);
  std::int64_t now = 1700000000;
  std::chrono::milliseconds idle{10000}, total{60000};
  std::chrono::milliseconds probe{10000};
  std::optional<std::uint16_t> port;  // of something in front of the sshd

  World() {
    git({"init", "-q", "--bare", repo});
    git({"init", "-q", work});
  }
  void commit(const std::string& text) {
    replace_durably(work + "/file", text);
    git({"-C", work, "add", "file"});
    git({"-C", work, "commit", "-qm", text});
  }
  void push(const std::vector<std::string>& refs) {
    std::vector<std::string> words{"-C", work, "push", "-q", "-f", repo};
    words.insert(words.end(), refs.begin(), refs.end());
    git(words);
  }
  [[nodiscard]] std::string theirs(const std::string& rev) const {
    return git({"-C", work, "rev-parse", rev});
  }
  [[nodiscard]] std::string ours(const std::string& rev) const {
    return git({"--git-dir=" + mirror(), "rev-parse", rev});
  }
  [[nodiscard]] std::string mirror() const { return git_view_path(home, "web1", repo); }

  store::SnapshotRecord pull() {
    Job job;
    job.client = "web1";
    job.request.name = repo;
    job.request.place = repo;
    job.request.method = "git";
    const auto writer = store->writer("web1", "git", "git", repo);
    ssh::Endpoint endpoint = sshd.endpoint();
    endpoint.idle_timeout = idle;
    endpoint.probe = probe;
    endpoint.address.port = port.value_or(endpoint.address.port);
    Surroundings around{home,       BK_BIN,  endpoint,
                        *store,     *writer, store->newest("web1", "git", "git", repo),
                        {now++, 0}, total,   [] {}};
    Pulled pulled = pull_git(job, around);
    store::SnapshotRecord record;
    record.client = "web1";
    record.module = record.method = "git";
    record.name = repo;
    record.began = {now, 0};
    record.root = pulled.root;
    record.files = pulled.files;
    record = writer->commit(record);
    pulled.committed(record.id);
    return record;
  }
  void expect_whole() const {
    git({"--git-dir=" + mirror(), "fsck", "--full"});
    remove_tree(dir.path() + "/clone");
    git({"clone", "-q", mirror(), dir.path() + "/clone"});
    git({"-C", dir.path() + "/clone", "fsck", "--full"});
  }
};

TEST(GitPull, StockGitClonesTheMirrorAndFsckFindsItWhole) {
  World w;
  w.commit("one");
  w.commit("two");
  git({"-C", w.work, "tag", "-a", "v1", "-m", "v1"});
  git({"-C", w.work, "notes", "add", "-m", "a note"});
  w.push({"main", "v1", "refs/notes/commits"});
  (void)w.pull();
  w.expect_whole();
  EXPECT_EQ(w.ours("main"), w.theirs("main"));
  EXPECT_EQ(w.ours("v1"), w.theirs("v1"));
  EXPECT_EQ(w.ours("refs/notes/commits"), w.theirs("refs/notes/commits"));
}

TEST(GitPull, ARewrittenAndADeletedBranchStayUnderTheTime) {
  World w;
  w.commit("one");
  w.commit("two");
  git({"-C", w.work, "branch", "topic"});
  w.push({"main", "topic"});
  (void)w.pull();
  const std::string old = w.theirs("main");
  git({"-C", w.work, "reset", "-q", "--hard", "HEAD~1"});
  w.commit("rewritten");
  w.push({"main", ":topic"});
  (void)w.pull();
  EXPECT_EQ(w.ours("main"), w.theirs("main"));
  const std::string kept =
      git({"--git-dir=" + w.mirror(), "for-each-ref", "--format=%(objectname) %(refname)", "refs/backline/"});
  EXPECT_EQ(kept, old + " refs/backline/20231114T221321Z/heads/main\n" + old +
                      " refs/backline/20231114T221321Z/heads/topic");
  git({"--git-dir=" + w.mirror(), "rev-parse", "--verify", "-q", "refs/heads/topic"}, 1);
  w.expect_whole();
}

TEST(GitPull, ABranchThatOnlyWentForwardLeavesNoKeptRef) {
  World w;
  w.commit("one");
  w.push({"main"});
  (void)w.pull();
  w.commit("two");
  w.push({"main"});
  (void)w.pull();
  EXPECT_EQ(git({"--git-dir=" + w.mirror(), "for-each-ref", "refs/backline/"}), "");
  EXPECT_EQ(w.ours("main"), w.theirs("main"));
}

TEST(GitPull, AnUnchangedRepositoryAddsNoContent) {
  World w;
  w.commit("one");
  w.push({"main"});
  const store::SnapshotRecord first = w.pull();
  const store::SnapshotRecord second = w.pull();
  EXPECT_EQ(first.root, second.root);
  EXPECT_EQ(second.sequence, 2U);
}

TEST(GitPull, ADeletedOrDamagedMirrorIsRebuiltFromTheStore) {
  World w;
  w.commit("one");
  w.commit("two");
  w.push({"main"});
  (void)w.pull();
  const std::string old = w.theirs("main");
  git({"-C", w.work, "reset", "-q", "--hard", "HEAD~1"});
  w.push({"main"});
  (void)w.pull();
  remove_tree(w.mirror());
  const store::SnapshotRecord third = w.pull();
  w.expect_whole();
  EXPECT_EQ(w.ours("refs/backline/20231114T221321Z/heads/main"), old);
  for (const std::string& file : list_directory(w.mirror() + "/objects/pack")) {
    if (file.ends_with(".idx")) remove_durably(w.mirror() + "/objects/pack/" + file);
  }
  EXPECT_EQ(w.pull().root.node, third.root.node);
  w.expect_whole();
}

// A kill or a power cut while git writes: its locks stay, and nobody is left who would take them away.
TEST(GitPull, WhatAKilledGitLockedIsUnlockedByTheNextPull) {
  World world;
  world.commit("one");
  world.push({"HEAD:main"});
  (void)world.pull();
  forget_git_view_snapshot(world.mirror());  // as a pull begins
  ensure_directory(world.mirror() + "/refs/heads");
  for (const char* lock :
       {"/packed-refs.lock", "/packed-refs.new", "/HEAD.lock", "/shallow.lock", "/refs/heads/main.lock"})
    replace_durably(world.mirror() + lock, "");
  world.commit("two");
  world.push({"HEAD:main"});
  (void)world.pull();
  EXPECT_EQ(world.ours("main"), world.theirs("main"));
  world.expect_whole();
}

TEST(GitPull, ABranchInPlaceOfAFolderOfBranchesIsFollowed) {
  World w;
  w.commit("one");
  w.push({"main:refs/heads/a/b"});
  (void)w.pull();
  git({"--git-dir=" + w.repo, "update-ref", "-d", "refs/heads/a/b"});
  w.push({"main:refs/heads/a"});
  (void)w.pull();
  EXPECT_EQ(w.ours("refs/heads/a"), w.theirs("main"));
}

TEST(GitPull, HeadIsFollowedAlsoWhenDetached) {
  World w;
  w.commit("one");
  w.commit("two");
  w.push({"main", "main~1:refs/heads/trunk"});
  git({"--git-dir=" + w.repo, "symbolic-ref", "HEAD", "refs/heads/trunk"});
  (void)w.pull();
  EXPECT_EQ(git({"--git-dir=" + w.mirror(), "symbolic-ref", "HEAD"}), "refs/heads/trunk");
  git({"--git-dir=" + w.repo, "update-ref", "--no-deref", "HEAD", w.theirs("main")});
  (void)w.pull();
  EXPECT_EQ(w.ours("HEAD"), w.theirs("main"));
}

TEST(GitPull, AnEmptyRepositoryAndOneWithoutItsHeadBranchAreBackedUp) {
  World w;
  (void)w.pull();
  git({"clone", "-q", w.mirror(), w.dir.file("empty")});
  w.commit("one");
  w.push({"main:refs/heads/other"});
  (void)w.pull();
  EXPECT_EQ(w.ours("other"), w.theirs("main"));
  w.expect_whole();
}

TEST(GitPull, TheClientsOwnBacklineRefsDoNotTouchOurs) {
  World w;
  w.commit("one");
  w.push({"main", "main:refs/backline/20231114T221321Z/heads/main"});
  (void)w.pull();
  EXPECT_EQ(git({"--git-dir=" + w.mirror(), "for-each-ref", "refs/backline/"}), "");
}

TEST(GitPull, HooksConfigAndAlternatesOfTheClientStayThere) {
  World w;
  w.commit("one");
  w.push({"main"});
  git({"--git-dir=" + w.repo, "config", "core.fsmonitor", "touch " + w.dir.path() + "/ran"});
  replace_durably(w.repo + "/objects/info/alternates", w.work + "/.git/objects\n");
  (void)w.pull();
  EXPECT_FALSE(path_exists(w.mirror() + "/hooks"));
  EXPECT_FALSE(path_exists(w.mirror() + "/objects/info/alternates"));
  EXPECT_EQ(git({"--git-dir=" + w.mirror(), "config", "--local", "core.fsmonitor"}, 1), "");
  EXPECT_FALSE(path_exists(w.dir.file("ran")));
}

// So many that they are written as one file; deleted, moved and new ones, too.
TEST(GitPull, TenThousandRefsAreFollowed) {
  World w;
  w.commit("one");
  w.push({"main"});
  const std::string one = w.theirs("main");
  Refs tags;
  const auto change = [&](int begin, int end, const std::string& oid) {
    for (int i = begin; i < end; ++i) {
      tags.erase("refs/tags/t" + std::to_string(i));
      if (!oid.empty()) tags.emplace("refs/tags/t" + std::to_string(i), oid);
    }
    replace_durably(w.repo + "/packed-refs", packed_refs(tags));
  };
  change(0, 10000, one);
  git({"--git-dir=" + w.repo, "update-ref", "--no-deref", "HEAD", one});
  (void)w.pull();
  EXPECT_EQ(w.ours("refs/tags/t9999"), one);
  EXPECT_EQ(w.ours("HEAD"), one);
  EXPECT_LT(list_directory(w.mirror() + "/refs").size(), 3U);
  w.commit("two");
  w.push({"main"});
  const std::string two = w.theirs("main");
  change(0, 3000, "");
  change(3000, 6000, two);
  change(10000, 13000, two);
  (void)w.pull();
  const std::string kept = "refs/backline/20231114T221321Z/";
  for (const char* name : {"tags/t0", "tags/t2999"}) EXPECT_EQ(w.ours(kept + name), one);
  EXPECT_EQ(w.ours("refs/tags/t12999"), two);
  EXPECT_EQ(w.ours("refs/tags/t5999"), two);
  EXPECT_EQ(w.ours("refs/tags/t6000"), one);
  EXPECT_EQ(git({"--git-dir=" + w.mirror(), "for-each-ref", "refs/tags/t0"}), "");
  EXPECT_EQ(git({"--git-dir=" + w.mirror(), "for-each-ref", kept + "tags/t3000"}), "") << "only went forward";
  git({"--git-dir=" + w.mirror(), "fsck", "--strict"});
  change(3000, 3100, "");
  (void)w.pull();
  EXPECT_EQ(git({"--git-dir=" + w.mirror(), "for-each-ref", "refs/tags/t3000"}), "");
}

TEST(GitPull, AMissingRepositoryIsSaidWithTheFarSidesWords) {
  World w;
  remove_tree(w.repo);
  try {
    (void)w.pull();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Transient);
    EXPECT_NE(std::string(error.what()).find("not appear to be a git repository"), std::string::npos)
        << error.what();
  }
}

TEST(GitPull, ASilentClientIsLeftAfterTheIdleLimit) {
  World w;
  w.commit("one");
  w.push({"main"});
  w.sshd.authorize({"command=\"sleep 600\" " + test::public_key(w.sshd.identity())});
  w.idle = std::chrono::milliseconds(700);
  try {
    (void)w.pull();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Transient) << error.what();
  }
}

// Long before the idle limit: the far side's SSH gives no sign of life.
TEST(GitPull, AFrozenLineIsNoticedAndTheNextPullIsWhole) {
  World w;
  w.commit(random_text(2000000));
  w.push({"main"});
  const test::LongWay way(w.sshd.port(), {"--stall-after", "1000000"});
  w.port = way.port();
  w.idle = std::chrono::minutes(5);
  w.probe = std::chrono::milliseconds(100);
  try {
    (void)w.pull();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Transient) << error.what();
    EXPECT_NE(std::string(error.what()).find("no sign of life"), std::string::npos) << error.what();
  }
  (void)w.pull();
  w.expect_whole();
}

TEST(GitPull, ATimeLimitSuspendsAndIsNoFault) {
  World w;
  w.commit("one");
  w.push({"main"});
  w.sshd.authorize({"command=\"sleep 600\" " + test::public_key(w.sshd.identity())});
  w.total = std::chrono::milliseconds(700);
  try {
    (void)w.pull();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Cancelled) << error.what();
  }
}

}  // namespace
}  // namespace bk::pull
