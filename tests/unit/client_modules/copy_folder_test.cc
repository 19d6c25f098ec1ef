// A site's files beside its dump: what comes and goes while they are copied.
#include "client/modules/copy_folder.h"

#include "common/io/file.h"
#include "tests/support/temp_dir.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace bk::client {
namespace {

class CopyFolder : public ::testing::Test {
 protected:
  CopyFolder() { ensure_directory(site); }
  ~CopyFolder() override { (void)::umask(mask_); }

  void put(const std::string& relative, const std::string& bytes) const {
    ensure_directory(parent_of(site + "/" + relative));
    replace_durably(site + "/" + relative, bytes, 0644);
  }
  void remove(const std::string& relative) const { remove_tree(site + "/" + relative); }
  void link(const std::string& relative, const std::string& to) const {
    ASSERT_EQ(::symlink(to.c_str(), (site + "/" + relative).c_str()), 0);
  }
  // The kernel's clock of files stands still for some milliseconds; what was done since a file was changed is
  // later than that only when it went on.
  void let_time_pass_since(const std::string& relative) const {
    struct stat changed {};
    struct stat now {};
    ASSERT_EQ(::stat((site + "/" + relative).c_str(), &changed), 0);
    do {
      replace_durably(other.file("probe"), "");
      ASSERT_EQ(::stat(other.file("probe").c_str(), &now), 0);
    } while (now.st_ctim.tv_sec == changed.st_ctim.tv_sec && now.st_ctim.tv_nsec <= changed.st_ctim.tv_nsec);
  }
  [[nodiscard]] client::Run run() const { return {home.path(), "main", "", "wiki", "/srv/w"}; }

  mode_t mask_ = ::umask(022);
  test::TempDir home;
  test::TempDir other;
  std::string site = other.file("site");
};

TEST_F(CopyFolder, TheSecondTimeBringsWhatCameAndKeepsWhatWent) {
  put("a", "one");
  put("gone/b", "two");
  put("file", "three");
  put("folder/c", "four");
  link("link", "a");
  Spool spool(run());
  EXPECT_EQ(copy_folder(site, spool, "site", {}).files, 4U);
  put("a", "longer than it was");
  put("new/d", "five");
  remove("gone");
  remove("file");
  put("file/e", "six");
  remove("folder");
  put("folder", "seven");
  remove("link");
  link("link", "new");
  EXPECT_TRUE(copy_folder(site, spool, "site", {}).skipped.empty());
  const std::string data = spool.commit(Spool::Times::Matter) + "/site";
  EXPECT_EQ(list_directory(data), (std::vector<std::string>{"a", "file", "folder", "gone", "link", "new"}));
  EXPECT_EQ(read_file(data + "/a"), "longer than it was");
  EXPECT_EQ(read_file(data + "/gone/b"), "two");
  EXPECT_EQ(read_file(data + "/file/e"), "six");
  EXPECT_EQ(read_file(data + "/folder"), "seven");
  EXPECT_EQ(read_file(data + "/link/d"), "five");
}

TEST_F(CopyFolder, WhatTheLastDumpHasIsNotReadAndStaysWhenItGoesMeanwhile) {
  put("same", "1");
  put("goes", "2");
  put("changes", "3");
  let_time_pass_since("changes");
  {
    Spool spool(run());
    (void)copy_folder(site, spool, "site", {});
    (void)spool.commit(Spool::Times::Matter);
  }
  Spool spool(run());
  EXPECT_EQ(copy_folder(site, spool, "site", {}).kept, 3U);
  remove("goes");
  put("changes", "other");
  const CopiedFolder second = copy_folder(site, spool, "site", {});
  EXPECT_EQ(second.kept, 1U);
  EXPECT_EQ(second.bytes, 5U);
  const std::string data = spool.commit(Spool::Times::Matter) + "/site";
  EXPECT_EQ(list_directory(data), (std::vector<std::string>{"changes", "goes", "same"}));
  EXPECT_EQ(read_file(data + "/changes"), "other");
}

TEST_F(CopyFolder, AChangeThatKeepsLengthAndTimeIsSeen) {
  put("a", "one");
  struct stat info {};
  ASSERT_EQ(::stat((site + "/a").c_str(), &info), 0);
  for (const char* text : {"one", "two"}) {
    replace_durably(site + "/a", text, 0644);
    const timespec times[2] = {info.st_mtim, info.st_mtim};
    ASSERT_EQ(::utimensat(AT_FDCWD, (site + "/a").c_str(), times, 0), 0);
    Spool spool(run());
    EXPECT_EQ(copy_folder(site, spool, "site", {}).bytes, 3U);
    EXPECT_EQ(read_file(spool.commit(Spool::Times::Matter) + "/site/a"), text);
  }
}

TEST_F(CopyFolder, AFolderKeepsItsTimeWhateverIsPutIntoItInTheSpool) {
  for (const char* round : {"one", "two"}) {
    put(std::string("folder/") + round, round);
    struct stat info {};
    ASSERT_EQ(::stat((site + "/folder").c_str(), &info), 0);
    Spool spool(run());
    (void)copy_folder(site, spool, "site", {});
    struct stat copy {};
    ASSERT_EQ(::stat((spool.commit(Spool::Times::Matter) + "/site/folder").c_str(), &copy), 0);
    EXPECT_EQ(copy.st_mtim.tv_sec, info.st_mtim.tv_sec);
    EXPECT_EQ(copy.st_mtim.tv_nsec, info.st_mtim.tv_nsec);
  }
}

TEST_F(CopyFolder, AFileThatWasCopiedIsNotCopiedAgain) {
  put("a", "one");
  Spool spool(run());
  EXPECT_EQ(copy_folder(site, spool, "site", {}).bytes, 3U);
  EXPECT_EQ(copy_folder(site, spool, "site", {}).bytes, 0U);
}

}  // namespace
}  // namespace bk::client
