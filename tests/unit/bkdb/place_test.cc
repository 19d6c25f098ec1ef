#include "server/bkdb/place.h"

#include "common/error/error.h"
#include "server/bkdb/walk.h"
#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>

namespace bk::bkdb {
namespace {

class PlaceTest : public testing::Test {
 protected:
  PlaceTest() : home_(scratch_.file("home")) {
    ensure_directory(home_ + "/store");
    ensure_directory(home_ + "/data/web1/sftp/folder");
  }
  [[nodiscard]] Place at(const std::string& folder, std::optional<std::string> home = {}) const {
    return find_place(folder, home, [] { return std::string("/fallback"); });
  }
  test::TempDir scratch_;
  std::string home_;
};

TEST_F(PlaceTest, HomeAndDataShowEverything) {
  EXPECT_EQ(at(home_).filter.client, "");
  EXPECT_EQ(at(home_).base_path, home_);
  EXPECT_EQ(at(home_ + "/data").base_path, home_ + "/data");
  EXPECT_EQ(at(home_ + "/data").filter.method, "");
}

TEST_F(PlaceTest, MethodFolderShowsThatClientAndMethod) {
  const Place place = at(home_ + "/data/web1/sftp");
  EXPECT_EQ(place.home, home_);
  EXPECT_EQ(place.filter.client, "web1");
  EXPECT_EQ(place.filter.method, "sftp");
  EXPECT_EQ(place.base_path, home_ + "/data/web1/sftp");
}

TEST_F(PlaceTest, ClientFolderShowsAllMethods) {
  EXPECT_EQ(at(home_ + "/data/web1").filter.client, "web1");
  EXPECT_EQ(at(home_ + "/data/web1").filter.method, "");
}

TEST_F(PlaceTest, DeeperFoldersAreLikeTheirMethodFolder) {
  EXPECT_EQ(at(home_ + "/data/web1/sftp/folder").filter.method, "sftp");
}

TEST_F(PlaceTest, OtherFoldersOfAHomeShowEverything) {
  ensure_directory(home_ + "/log");
  EXPECT_EQ(at(home_ + "/log").base_path, home_);
}

TEST_F(PlaceTest, ElsewhereTheFallbackDecides) { EXPECT_EQ(at(scratch_.path()).home, "/fallback"); }

TEST_F(PlaceTest, GivenHomeWinsOverTheFolder) {
  EXPECT_EQ(at(home_ + "/data/web1/sftp", "/other").home, "/other");
  EXPECT_EQ(at(home_ + "/data/web1/sftp", "/other").filter.client, "");
  EXPECT_EQ(at(home_ + "/data/web1/sftp", home_).filter.client, "web1");
}

TEST(PartOf, RelativeAndAbsoluteWords) {
  EXPECT_EQ(part_of("a/b", "/srv"), "a/b");
  EXPECT_EQ(part_of("./a/b/", "/srv"), "a/b");
  EXPECT_EQ(part_of("/srv/a", "/srv"), "a");
  EXPECT_EQ(part_of("/srv", "/srv"), "");
  EXPECT_EQ(part_of(".", "/srv"), "");
  EXPECT_EQ(part_of("/etc", "/"), "etc");
}

TEST(PartOf, ElsewhereAndDotsAreRefused) {
  EXPECT_FALSE(part_of("/srv2/a", "/srv"));
  EXPECT_FALSE(part_of("../a", "/srv"));
  EXPECT_FALSE(part_of("a/../../b", "/srv"));
  EXPECT_FALSE(part_of("a//b", "/srv"));
}

}  // namespace
}  // namespace bk::bkdb
