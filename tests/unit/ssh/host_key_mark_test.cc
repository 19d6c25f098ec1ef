#include "common/ssh/host_key_mark.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>

namespace bk::ssh {
namespace {

constexpr const char* kPinned = "ssh-ed25519 AAAApinned";
constexpr const char* kOther = "ssh-ed25519 AAAAother";

TEST(HostKeyMark, StopsEverybodyWhileTheSameKeyIsPinned) {
  const test::TempDir home;
  const std::string file = host_key_mark_file(home.path(), "web1");
  EXPECT_NO_THROW(require_no_mark(file, kPinned));
  mark_host_key(file, kPinned, kOther, Timestamp{100, 0});
  EXPECT_THROW(require_no_mark(file, kPinned), Error);
  EXPECT_THROW(require_no_mark(file, kPinned), Error);
}

TEST(HostKeyMark, GoesWhenAnotherKeyIsPinned) {
  const test::TempDir home;
  const std::string file = host_key_mark_file(home.path(), "web1");
  mark_host_key(file, kPinned, kOther, Timestamp{100, 0});
  EXPECT_NO_THROW(require_no_mark(file, kOther));
  EXPECT_FALSE(path_exists(file));
  EXPECT_TRUE(list_host_key_marks(home.path()).empty());
}

TEST(HostKeyMark, TheFirstSightCounts) {
  const test::TempDir home;
  const std::string file = host_key_mark_file(home.path(), "web1");
  mark_host_key(file, kPinned, kOther, Timestamp{100, 0});
  mark_host_key(file, kPinned, "ssh-ed25519 AAAAthird", Timestamp{200, 0});
  const std::vector<HostKeyMark> marks = list_host_key_marks(home.path());
  ASSERT_EQ(marks.size(), 1U);
  EXPECT_EQ(marks[0].peer, "web1");
  EXPECT_EQ(marks[0].shown, kOther);
  EXPECT_EQ(marks[0].since, to_text(Timestamp{100, 0}));
}

}  // namespace
}  // namespace bk::ssh
