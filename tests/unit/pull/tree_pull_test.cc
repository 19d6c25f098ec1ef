// The tree method end to end: a real agent process, a real store, and the tree read back and compared.
#include "common/error/error.h"
#include "common/io/file.h"
#include "server/store/tree.h"
#include "tests/support/content.h"
#include "tests/support/pull_world.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>

namespace bk::test {
namespace {

void change_torture_tree(const std::string& top) {
  put(top + "/sizes/random-1", "another");
  put(top + "/contents/new", "new");
  ASSERT_EQ(::unlink((top + "/contents/copy-2").c_str()), 0);
  ASSERT_EQ(::rename((top + "/names/sorted").c_str(), (top + "/names/resorted").c_str()), 0);
  ASSERT_EQ(::rmdir((top + "/empty").c_str()), 0);
  put(top + "/empty", "a file where a directory was");
  ASSERT_EQ(::chmod((top + "/wide/00007-xxxxxxx").c_str(), 0600), 0);
}

TEST(TreePull, FilesOfUpTo512BytesLieInTheTreeItself) {
  PullWorld world;
  ensure_directory(world.source());
  put(world.source() + "/a", noise(512));
  put(world.source() + "/b", noise(513));
  (void)world.pull();
  store::DirectoryReader reader(world.store(), world.newest()->root.node);
  EXPECT_EQ(reader.find("a")->content.at(0).kind, Extent::Kind::Inline);
  EXPECT_EQ(reader.find("b")->content.at(0).kind, Extent::Kind::Chunk);
  EXPECT_EQ(world.differences(), "");
}

// More attributes than one entry may have here; only tmpfs takes so many.
void give_too_many_attributes(const std::string& path) {
  const std::string value(65536, 'v');
  for (int i = 0; i < 17; ++i) {
    const std::string name = "trusted.a" + std::to_string(i);
    ASSERT_EQ(::lsetxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0), 0);
  }
}

TEST(TreePull, AnUnreadableAttributeIsNamedInEveryRun) {
  if (::geteuid() != 0 || ::access("/dev/shm", W_OK) != 0) GTEST_SKIP() << "needs root and /dev/shm";
  ASSERT_EQ(::setenv("TEST_TMPDIR", "/dev/shm/", 1), 0);
  PullWorld world;
  (void)::unsetenv("TEST_TMPDIR");
  ensure_directory(world.source() + "/d");
  put(world.source() + "/d/file", noise(5000));
  ASSERT_EQ(::symlink("nowhere", (world.source() + "/d/link").c_str()), 0);
  ensure_directory(world.source() + "/sub");
  for (const char* name : {"d/file", "d/link", "sub"}) give_too_many_attributes(world.source() + "/" + name);
  for (int run = 0; run < 3; ++run) {
    pull::PullReport report = world.pull();
    std::sort(report.skipped.begin(), report.skipped.end());
    EXPECT_EQ(report.skipped,
              (std::vector<std::string>{"xattr:E2BIG d/file", "xattr:E2BIG d/link", "xattr:E2BIG sub"}))
        << "run " << run;
  }
}

// One test, because making the tree is what takes time.
TEST(TreePull, EverythingATreeCanHoldComesBackExactlyThenUnchangedThenChanged) {
  PullWorld world;
  run_tool({"python3", BK_SOURCE "/tests/support/torture_tree.py", world.source()});
  const auto first = world.pull();
  EXPECT_EQ(first.skipped_count, 0U) << (first.skipped.empty() ? "" : first.skipped.front());
  EXPECT_EQ(first.flagged, 0U);
  EXPECT_LT(first.received_bytes, 40U << 20U);  // the holes cost nothing
  EXPECT_EQ(world.differences("first"), "");

  const std::uint64_t before = world.store_bytes();
  const auto second = world.pull();
  EXPECT_EQ(second.root.node, first.root.node);
  EXPECT_EQ(second.read_files, 0U);
  EXPECT_EQ(second.wanted_directories, 0U);
  EXPECT_EQ(second.files, first.files);
  EXPECT_LT(second.received_bytes, 120 * second.directories);
  EXPECT_LT(world.store_bytes() - before, 4096U);

  change_torture_tree(world.source());
  const auto third = world.pull();
  EXPECT_LE(third.read_files, 30U);
  EXPECT_LT(third.received_bytes, 400'000U);
  EXPECT_EQ(world.differences("third"), "");
}

TEST(TreePull, ContentThatTheClientOwnsDoesNotTravelAgain) {
  PullWorld world;
  ensure_directory(world.source());
  const std::string content = noise(1'000'000);
  put(world.source() + "/a", content);
  const auto first = world.pull();
  EXPECT_GT(first.received_bytes, content.size());
  ASSERT_EQ(::rename((world.source() + "/a").c_str(), (world.source() + "/moved").c_str()), 0);
  put(world.source() + "/grown", content + "more");
  const auto second = world.pull();
  EXPECT_LT(second.received_bytes, content.size() / 10);
  EXPECT_EQ(world.differences(), "");
}

TEST(TreePull, ALongFileIsFoldedIntoListsAndAChangeInItsMiddleStaysSmall) {
  PullWorld world;
  ensure_directory(world.source());
  std::string content = noise(40'000'000);
  put(world.source() + "/a-long", content);
  put(world.source() + "/b-long", content + content.substr(0, 5'000'000));
  (void)world.pull();
  EXPECT_EQ(world.differences("first"), "");
  content.insert(20'000'000, "inserted");
  put(world.source() + "/a-long", content);
  const auto second = world.pull();
  EXPECT_LT(second.received_bytes, 500'000U);
  EXPECT_EQ(world.differences("second"), "");
}

TEST(TreePull, WhatAnotherClientStoredStillHasToBeSent) {
  PullWorld world;
  ensure_directory(world.source());
  const std::string content = noise(300'000);
  put(world.source() + "/shared", content);
  (void)world.pull();
  AgentProcess agent({world.source()});
  const auto writer = world.writer("web2");
  const auto report = pull::pull_tree(agent.stream(), world.store(), *writer, {}, world.source());
  EXPECT_GT(report.received_bytes, content.size());
  EXPECT_LT(writer->totals().stored_bytes, 10'000U);  // and is stored once all the same
}

TEST(TreePull, ARootThatIsNotConsentedIsRefused) {
  PullWorld world;
  ensure_directory(world.source());
  AgentProcess agent({world.source() + "/other"});
  const auto writer = world.writer();
  try {
    (void)world.pull_from(agent.stream(), *writer);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Refused);
  }
}

TEST(TreePull, ARootThroughASymlinkIsRefused) {
  PullWorld world;
  ensure_directory(world.file("real"));
  ASSERT_EQ(::symlink("real", world.source().c_str()), 0);
  EXPECT_THROW((void)world.pull(), Error);
}

TEST(TreePull, ExcludedEntriesAreLeftOutAndDeniedOnesAreListed) {
  PullWorld world;
  ensure_directory(world.source() + "/cache");
  ensure_directory(world.source() + "/keys");
  for (const char* name : {"/a.o", "/a.c", "/cache/x", "/keys/id"}) put(world.source() + name, name);
  const auto report = world.pull({"--exclude", "*.o", "--exclude", "/cache", "--deny", "keys"});
  EXPECT_EQ(report.files, 1U);
  EXPECT_EQ(report.skipped, std::vector<std::string>{"denied keys"});
  EXPECT_EQ(world.pull({"--exclude", "*.o", "--exclude", "/cache", "--deny", "keys"}).skipped.size(), 1U);
}

TEST(TreePull, PrivateKeysAreListedAndOnlyNamedOnesAreRead) {
  PullWorld world;
  for (const char* folder : {"/a/.ssh", "/b/.ssh", "/b/.gnupg/private-keys-v1.d"})
    ensure_directory(world.source() + folder);
  for (const char* name : {"/a/.ssh/id_ed25519", "/a/.ssh/id_ed25519.pub", "/b/.ssh/id_rsa",
                           "/b/.gnupg/private-keys-v1.d/k", "/b/known_hosts"})
    put(world.source() + name, name);
  const std::vector<std::string> rules{"--guard-keys", "--named", "b/.ssh"};
  const auto report = world.pull(rules);
  EXPECT_EQ(report.files, 3U);
  EXPECT_EQ(report.skipped,
            (std::vector<std::string>{"denied a/.ssh/id_ed25519", "denied b/.gnupg/private-keys-v1.d"}));
  EXPECT_EQ(world.pull(rules).skipped.size(), 2U) << "nor are they forgotten when nothing changed";
  EXPECT_EQ(world.pull({"--guard-keys", "--named", ""}).files, 5U);
}

TEST(TreePull, MarkedDirectoriesKeepOnlyTheirMarkerAndLargeFilesAreNamed) {
  PullWorld world;
  for (const char* folder : {"/cache/sub", "/liar", "/plain"}) ensure_directory(world.source() + folder);
  const std::string tag = "/CACHEDIR.TAG";
  put(world.source() + "/cache" + tag, "Signature: 8a477f597d28d172789f06886806bc55\n# comment");
  put(world.source() + "/liar" + tag, "Signature: none");
  put(world.source() + "/plain/.nobackup", "");
  for (const char* name : {"/cache/x", "/cache/sub/y", "/liar/x", "/plain/x"})
    put(world.source() + name, name);
  put(world.source() + "/large", std::string(1001, 'x'));
  put(world.source() + "/just", std::string(1000, 'x'));
  const std::vector<std::string> rules{"--exclude-caches", "--exclude-if-present", ".nobackup",
                                       "--max-file-size", "1000"};
  const auto report = world.pull(rules);
  EXPECT_EQ(report.files, 5U);  // three markers, true or not; liar/x and just
  EXPECT_EQ(report.directories, 4U);
  EXPECT_EQ(report.skipped, std::vector<std::string>{"large large"});
  EXPECT_EQ(world.pull(rules).skipped.size(), 1U);
}

}  // namespace
}  // namespace bk::test
