#include "common/config/own_file.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace bk {
namespace {

class OwnFile : public ::testing::Test {
 protected:
  OwnFile() { replace_durably(path_, "host = 'a'\n", 0640); }
  [[nodiscard]] std::string complaint(FileOwner owner = FileOwner::Self) const {
    try {
      return try_read_own_file(path_, 1000, owner).value_or("missing");
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::Config);
      return error.what();
    }
  }
  test::TempDir dir_;
  std::string path_ = dir_.file("backupconfig.toml");
};

TEST_F(OwnFile, WhatNobodyElseMayWriteIsRead) {
  EXPECT_EQ(complaint(), "host = 'a'\n");
  EXPECT_FALSE(try_read_own_file(path_ + "x", 1000, FileOwner::Self));
  EXPECT_THROW((void)try_read_own_file(path_, 3, FileOwner::Self), Error) << "larger than the limit";
}

TEST_F(OwnFile, WhatOthersMayWriteIsRefusedWithWhatToDo) {
  for (const mode_t mode : {0660U, 0602U, 0666U, 0777U}) {
    ASSERT_EQ(::chmod(path_.c_str(), mode), 0);
    for (const FileOwner owner : {FileOwner::Self, FileOwner::SelfOrFolder})
      EXPECT_NE(complaint(owner).find("others than its owner may write it (mode 0"), std::string::npos);
  }
  EXPECT_NE(complaint().find(path_), std::string::npos);
  EXPECT_NE(complaint().find("chmod go-w"), std::string::npos);
}

TEST_F(OwnFile, TheFileBehindALinkIsJudged) {
  const std::string target = path_ + ".target";
  ASSERT_EQ(::rename(path_.c_str(), target.c_str()), 0);
  ASSERT_EQ(::symlink(target.c_str(), path_.c_str()), 0);
  EXPECT_EQ(complaint(), "host = 'a'\n") << "the link's own mode says nothing";
  ASSERT_EQ(::chmod(target.c_str(), 0622), 0);
  EXPECT_NE(complaint().find("is not read"), std::string::npos);
}

TEST_F(OwnFile, WhatSomebodyElseOwnsIsRefusedUnlessTheFolderIsHisToo) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to give a file away";
  ASSERT_EQ(::chown(path_.c_str(), 12345, 12345), 0);
  EXPECT_NE(complaint().find("belongs to user 12345, not to user 0"), std::string::npos) << complaint();
  EXPECT_NE(complaint(FileOwner::SelfOrFolder).find("belongs to user 12345"), std::string::npos);
  ASSERT_EQ(::chown(dir_.path().c_str(), 12345, 12345), 0);
  EXPECT_EQ(complaint(), "host = 'a'\n") << "root works in a client's home";
  ASSERT_EQ(::chmod(dir_.path().c_str(), 0755), 0);
  ASSERT_EQ(::chmod(path_.c_str(), 0644), 0);
  // Somebody who is not root, in that folder.
  EXPECT_EXIT(
      {
        if (::setuid(23456) != 0) ::_exit(2);
        const bool other = complaint().find("belongs to user 12345, not to user 23456") != std::string::npos;
        ::_exit(other && complaint(FileOwner::SelfOrFolder) == "host = 'a'\n" ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
  ASSERT_EQ(::chown(dir_.path().c_str(), 0, 0), 0);
}

}  // namespace
}  // namespace bk
