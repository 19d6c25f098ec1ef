#include "common/io/file.h"

#include "common/error/error.h"
#include "common/io/lock.h"
#include "tests/support/temp_dir.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace bk {
using test::TempDir;
namespace {

class Files : public testing::Test {
 protected:
  [[nodiscard]] std::string at(const std::string& name) const { return dir_.path() + "/" + name; }
  TempDir dir_;
};

int errno_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.sys_errno();
  }
  return 0;
}

TEST_F(Files, ReplacedFileHasTheNewBytesAndMode) {
  replace_durably(at("a"), "one", 0640);
  replace_durably(at("a"), std::string("two\0three", 9), 0604);
  EXPECT_EQ(read_file(at("a")), std::string("two\0three", 9));
  struct stat info {};
  ASSERT_EQ(::stat(at("a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0604U);
  EXPECT_EQ(list_directory(dir_.path()), std::vector<std::string>{"a"});
}

TEST_F(Files, ANameOfTheFullLengthCanBeReplaced) {
  const std::string name(255, 'n');
  replace_durably(at(name), "x");
  EXPECT_TRUE(create_durably(at(std::string(255, 'm')), "y"));
  EXPECT_EQ(read_file(at(name)), "x");
}

TEST_F(Files, CreateChangesNothingWhenTheNameExists) {
  EXPECT_TRUE(create_durably(at("a"), "one"));
  EXPECT_FALSE(create_durably(at("a"), "two"));
  EXPECT_EQ(read_file(at("a")), "one");
  EXPECT_EQ(list_directory(dir_.path()).size(), 1U);
}

TEST_F(Files, RenameReplacesNothing) {
  replace_durably(at("a"), "a");
  replace_durably(at("b"), "b");
  EXPECT_FALSE(rename_noreplace_durably(at("a"), at("b")));
  EXPECT_EQ(read_file(at("a")), "a");
  EXPECT_EQ(read_file(at("b")), "b");
  EXPECT_TRUE(rename_noreplace_durably(at("a"), at("c")));
  EXPECT_FALSE(path_exists(at("a")));
}

TEST_F(Files, FailedWriteLeavesNoTemporaryFile) {
  EXPECT_EQ(errno_of([&] { replace_durably(at("missing/a"), "x"); }), ENOENT);
  ensure_directory(at("a"));
  EXPECT_NE(errno_of([&] { replace_durably(at("a"), "x"); }), 0);
  EXPECT_EQ(list_directory(dir_.path()), std::vector<std::string>{"a"});
}

TEST_F(Files, FileAboveTheLimitIsRefused) {
  replace_durably(at("a"), std::string(1000, 'x'));
  EXPECT_EQ(read_file(at("a"), 1000).size(), 1000U);
  EXPECT_EQ(errno_of([&] { (void)read_file(at("a"), 999); }), EFBIG);
  EXPECT_EQ(errno_of([&] { (void)read_file("/dev/zero", 4096); }), EFBIG);
}

TEST_F(Files, MissingFileIsAValueAndUnreadableOneIsNot) {
  EXPECT_EQ(try_read_file(at("gone")), std::nullopt);
  EXPECT_EQ(errno_of([&] { (void)try_read_file(dir_.path()); }), EISDIR);
  EXPECT_EQ(errno_of([&] { (void)list_directory(at("gone")); }), ENOENT);
}

TEST_F(Files, PathExistsSeesDanglingLinksAndOnlyAbsenceIsFalse) {
  ASSERT_EQ(::symlink("nowhere", at("link").c_str()), 0);
  EXPECT_TRUE(path_exists(at("link")));
  replace_durably(at("file"), "");
  EXPECT_FALSE(path_exists(at("file/below")));
  EXPECT_NE(errno_of([&] { (void)path_exists(at(std::string(300, 'x'))); }), 0);
}

TEST_F(Files, EnsureDirectoryMakesParentsAndIsIdempotent) {
  ensure_directory(at("a/b/c"));
  ensure_directory(at("a/b/c"));
  EXPECT_TRUE(is_directory(at("a/b/c")));
  replace_durably(at("f"), "");
  EXPECT_EQ(errno_of([&] { ensure_directory(at("f")); }), ENOTDIR);
}

TEST_F(Files, RemoveTreeNeverFollowsASymlink) {
  ensure_directory(at("keep"));
  replace_durably(at("keep/file"), "x");
  ensure_directory(at("tree/below"));
  ASSERT_EQ(::symlink("../../keep", at("tree/below/link").c_str()), 0);
  ASSERT_EQ(::symlink("../keep", at("tree/link").c_str()), 0);
  remove_tree(at("tree"));
  EXPECT_FALSE(path_exists(at("tree")));
  EXPECT_EQ(read_file(at("keep/file")), "x");
  ASSERT_EQ(::symlink("keep", at("link").c_str()), 0);
  remove_tree(at("link"));
  EXPECT_TRUE(path_exists(at("keep/file")));
}

TEST_F(Files, RemoveTreeTakesAnyDepthAndWidth) {
  // Deeper than there are descriptors and longer than any path.
  Fd here = open_directory(dir_.path());
  ASSERT_EQ(::mkdirat(here.get(), "deep", 0700), 0);
  here = Fd(::openat(here.get(), "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (int i = 0; i < 1200; ++i) {
    ASSERT_EQ(::mkdirat(here.get(), "d", 0700), 0);
    here = Fd(::openat(here.get(), "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ASSERT_TRUE(here);
  }
  ensure_directory(at("deep/wide"));
  for (int i = 0; i < 1200; ++i) {
    const Fd file = open_file(at("deep/wide/f" + std::to_string(i)), O_CREAT | O_WRONLY);
  }
  remove_tree(at("deep"));
  EXPECT_FALSE(path_exists(at("deep")));
  remove_tree(at("deep"));
}

TEST_F(Files, RemoveTreeOpensWhatItsOwnerMayNotWrite) {
  ensure_directory(at("tree/a/b"));
  replace_durably(at("tree/a/b/file"), "x");
  ASSERT_EQ(::chmod(at("tree/a/b").c_str(), 0), 0);
  ASSERT_EQ(::chmod(at("tree/a").c_str(), 0500), 0);
  remove_tree(at("tree"));
  EXPECT_FALSE(path_exists(at("tree")));
}

TEST_F(Files, PreadLeavesThePositionAlone) {
  replace_durably(at("a"), "0123456789");
  const Fd fd = open_file(at("a"), O_RDONLY);
  char buffer[8] = {};
  EXPECT_EQ(pread_up_to(fd.get(), buffer, 8, 6), 4U);
  EXPECT_EQ(std::string(buffer, 4), "6789");
  EXPECT_EQ(read_up_to(fd.get(), buffer, 3), 3U);
  EXPECT_EQ(std::string(buffer, 3), "012");
}

TEST(Paths, PartsOfAPath) {
  EXPECT_EQ(parent_of("a/b"), "a");
  EXPECT_EQ(parent_of("b"), ".");
  EXPECT_EQ(parent_of("/b"), "/");
  EXPECT_EQ(base_name("a/b"), "b");
  EXPECT_EQ(join_path("/", "a"), "/a");
  EXPECT_EQ(join_path("a", "b"), "a/b");
  EXPECT_EQ(join_path("a/", "b"), "a/b");
  EXPECT_EQ(clean_absolute("/a//b/./c/"), "/a/b/c");
  EXPECT_EQ(clean_absolute("//"), "/");
  EXPECT_TRUE(clean_absolute("x").ends_with("/x"));
  EXPECT_THROW((void)clean_absolute("/a/../b"), Error);
}

TEST_F(Files, ExclusiveLockExcludesAndSharedLocksShare) {
  {
    const std::optional<FileLock> one = FileLock::try_exclusive(at("lock"));
    ASSERT_TRUE(one);
    EXPECT_FALSE(FileLock::try_exclusive(at("lock")));
    EXPECT_FALSE(FileLock::try_shared(at("lock")));
  }
  const std::optional<FileLock> a = FileLock::try_shared(at("lock"));
  const std::optional<FileLock> b = FileLock::try_shared(at("lock"));
  EXPECT_TRUE(a && b);
  EXPECT_FALSE(FileLock::try_exclusive(at("lock")));
  EXPECT_TRUE(path_exists(at("lock")));
}

TEST_F(Files, LockFileIsNotASymlinkThatSomebodyPut) {
  ASSERT_EQ(::symlink("target", at("lock").c_str()), 0);
  EXPECT_NE(errno_of([&] { (void)FileLock::try_exclusive(at("lock")); }), 0);
  EXPECT_FALSE(path_exists(at("target")));
}

TEST(Io, AFailedCallOnADescriptorNamesItsFile) {
  const auto message_of = [](const auto& call) {
    try {
      call();
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("nothing");
  };
  const Fd full = open_file("/dev/full", O_WRONLY);
  EXPECT_EQ(message_of([&] { write_all(full.get(), "x"); }),
            "writing \"/dev/full\": No space left on device");
  EXPECT_EQ(message_of([&] { pwrite_all(full.get(), "x", 7); }),
            "writing \"/dev/full\": No space left on device");
  EXPECT_EQ(message_of([&] { (void)read_file("/"); }), "reading \"/\": Is a directory");
}

}  // namespace
}  // namespace bk
