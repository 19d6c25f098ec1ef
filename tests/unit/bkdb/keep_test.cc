#include "common/text/document.h"
#include "server/access/home.h"
#include "tests/unit/bkdb/bkdb_fixture.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace bk::test {
namespace {

using nlohmann::json;

class KeepTest : public BkdbTest {
 protected:
  void conf(const std::string& text) {
    const std::string path = server::accepted_file(home(), "backline.conf");
    ensure_directory(parent_of(path));
    replace_durably(path, text);
  }
  // One snapshot a day, the newest `ago` seconds ago.
  void fill(const std::string& client, int count, std::int64_t ago = 3600) {
    write("t/a", "a");
    const std::int64_t now = SystemClock().now().seconds;
    for (int day = count - 1; day >= 0; --day)
      (void)back_up("t", {.client = client, .name = "/srv", .began = {now - ago - day * 86400, 0}});
  }
  [[nodiscard]] std::size_t left(const std::string& client = {}) {
    return store::Store::open(home() + "/store")->snapshots(client).size();
  }
  void last_run(std::int64_t ago) {
    ensure_directory(home() + "/log");
    replace_durably(
        home() + "/log/keep",
        Document("bk-keep", 1).add("ran", to_text({SystemClock().now().seconds - ago, 0})).write());
  }
};

TEST_F(KeepTest, WithoutASectionEverythingStays) {
  fill("web1", 2);
  EXPECT_EQ(bkdb({"keep"}).status, 69);
  conf("[keep web2]\nlast = 1\n");
  EXPECT_EQ(bkdb({"keep"}).status, 0);
  EXPECT_EQ(left(), 2U);
}

TEST_F(KeepTest, PretendTellsWhatGoesAndWhyTheOthersStay) {
  fill("web1", 4);
  conf("[keep]\nlast = 2\nyearly = 1\n");
  ASSERT_EQ(bkdb({"hold", "0"}).status, 0);
  const Captured told = bkdb({"keep", "--pretend"});
  EXPECT_EQ(told.status, 0) << told.err;
  EXPECT_NE(told.out.find("web1, directories, rsync: /srv\n  stays "), std::string::npos) << told.out;
  EXPECT_NE(told.out.find("  newest, held, last, yearly\n"), std::string::npos) << told.out;
  EXPECT_NE(told.out.find("2 of 4 snapshots would go\n"), std::string::npos);
  EXPECT_EQ(left(), 4U);
  std::size_t lines = 0;
  const std::string text = bkdb({"keep", "--pretend", "--json"}).out;
  for (std::size_t at = 0, end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1, ++lines)
    EXPECT_TRUE(json::parse(text.substr(at, end - at)).contains("stays"));
  EXPECT_EQ(lines, 4U);
}

TEST_F(KeepTest, TheNearestSectionDecidesAndOnlyWhatMayGoes) {
  fill("web1", 6);
  fill("web2", 6);
  conf("[keep]\nlast = 4\n[keep web2:directories:/srv]\nlast = 3\n");
  EXPECT_EQ(bkdb({"keep"}).status, 0);
  EXPECT_EQ(left("web1"), 4U);
  EXPECT_EQ(left("web2"), 3U);
  EXPECT_EQ(bkdb({"keep"}).status, 0);
  EXPECT_EQ(left(), 7U) << "a second run finds nothing more";
}

TEST_F(KeepTest, MoreThanTheLimitNeedsACount) {
  fill("web1", 10);
  conf("[keep]\nlast = 2\n");
  const Captured refused = bkdb({"keep"});
  EXPECT_EQ(refused.status, 77);
  EXPECT_NE(refused.err.find("8 of 10 snapshots would go"), std::string::npos) << refused.err;
  EXPECT_EQ(bkdb({"keep", "--expect", "7"}).status, 77);
  EXPECT_EQ(left(), 10U);
  conf("[keep]\nlast = 2\nat_most = 7\n");
  EXPECT_EQ(bkdb({"keep"}).status, 77);
  conf("[keep]\nlast = 2\nat_most = 80%\n");
  EXPECT_EQ(bkdb({"keep"}).status, 0);
  EXPECT_EQ(left(), 2U);
}

TEST_F(KeepTest, AClockThatWentBackOrJumpedRemovesNothing) {
  conf("[keep]\nlast = 2\n");
  fill("web1", 3);
  last_run(-3600);
  EXPECT_EQ(bkdb({"keep", "--expect", "1"}).status, 77) << "the last run is still to come";
  last_run(40 * 86400);
  EXPECT_EQ(bkdb({"keep"}).status, 77);
  EXPECT_EQ(left(), 3U);
  EXPECT_EQ(bkdb({"keep", "--expect", "1"}).status, 0);
  fill("web2", 3, -7200);
  EXPECT_EQ(bkdb({"keep", "--expect", "1"}).status, 77) << "a snapshot is still to come";
  EXPECT_EQ(left("web2"), 3U);
}

}  // namespace
}  // namespace bk::test
