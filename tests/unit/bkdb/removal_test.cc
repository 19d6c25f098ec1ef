#include "server/catalog/catalog.h"
#include "server/views/views.h"
#include "tests/unit/bkdb/bkdb_fixture.h"

#include <nlohmann/json.hpp>

namespace bk::test {
namespace {

using nlohmann::json;

class RemovalTest : public BkdbTest {
 protected:
  // Two sources with three snapshots each, a day apart.
  void fill() {
    for (int day = 0; day < 3; ++day) {
      write("t/a", std::to_string(day));
      const Timestamp at{1'378'344'930 + day * 86400, 0};
      (void)back_up("t", {.name = "/srv/wiki", .began = at});
      (void)back_up("t", {.client = "web2", .name = "/srv/trac", .began = at});
    }
    server::rebuild_views(home(), store_->snapshots());
    server::Catalog catalog(home() + "/catalog.db");
    server::rebuild_catalog(catalog, *store_);
  }
  [[nodiscard]] std::size_t left(const std::string& client = {}) {
    return store::Store::open(home() + "/store")->snapshots(client).size();
  }
  [[nodiscard]] Captured answered(const std::string& answer, const std::string& words) const {
    return run({"/bin/sh", "-c", "echo " + answer + " | " + program() + " --home " + home() + " " + words},
               "/");
  }
};

TEST_F(RemovalTest, RmShowsWhatGoesAsksAndNeedsYes) {
  fill();
  const Captured no = answered("no", "rm 1 '<2013-09-07'");
  EXPECT_EQ(no.status, 77) << no.err;
  EXPECT_NE(no.out.find("/srv/wiki: 2 snapshots, 2013-09-05 01:35:30 to 2013-09-06 01:35:30, 1 stay"),
            std::string::npos)
      << no.out;
  EXPECT_NE(no.out.find("2 snapshots of 1 sources, the newest of 2013-09-06 01:35:30"), std::string::npos);
  EXPECT_EQ(answered("", "rm 1").status, 77);
  EXPECT_EQ(left(), 6U);
  const Captured yes = answered("yes", "rm 1 '<2013-09-07'");
  EXPECT_EQ(yes.status, 0) << yes.err;
  EXPECT_EQ(left("web1"), 1U);
  EXPECT_EQ(left("web2"), 3U);
}

TEST_F(RemovalTest, ACatalogThatAKilledProgramMadeAndDidNotFillIsFilled) {
  fill();
  const std::string path = home() + "/catalog.db";
  for (const char* const ending : {"", "-wal", "-shm"}) remove_durably(path + ending);
  { const server::Catalog empty(path); }
  EXPECT_EQ(server::open_catalog(path, *store_)->size(), 6U);
}

TEST_F(RemovalTest, AViewThatABackupAddsWhileAllAreMadeAnewStays) {
  fill();
  store::SnapshotRecord added;
  server::rebuild_views(home(), [&]() -> std::optional<std::vector<store::SnapshotRecord>> {
    auto listed = store_->snapshots();
    if (added.id.empty()) {
      added = back_up("t", {.name = "/srv/wiki", .began = {1'378'344'930 + 7 * 86400, 0}});
      server::update_view(home(), added);
    }
    return listed;
  });
  EXPECT_TRUE(path_exists(home() + "/" +
                          server::view_folder("web1", added.module, added.method, "/srv/wiki") + "/" +
                          server::view_file_name(added)));
}

TEST_F(RemovalTest, RmWithoutWordsRemovesNothing) {
  fill();
  EXPECT_EQ(answered("yes", "rm").status, 64);
  EXPECT_EQ(bkdb({"rm", "--yes", "--expect", "6"}).status, 64);
  EXPECT_EQ(left(), 6U);
}

TEST_F(RemovalTest, YesNeedsASourceOrACountThatIsRight) {
  fill();
  EXPECT_EQ(bkdb({"rm", "0", "--yes"}).status, 64);
  EXPECT_EQ(bkdb({"rm", "0", "--yes", "--expect", "2"}).status, 77);
  EXPECT_EQ(left(), 6U);
  EXPECT_EQ(bkdb({"rm", "0", "--yes", "--expect", "3"}).status, 0);
  EXPECT_EQ(left("web2"), 0U);
  const json listed = json::parse(bkdb({"ls", "--json"}).out);
  ASSERT_EQ(listed["sources"].size(), 1U);
  const std::string id = listed["sources"][0]["id"];
  EXPECT_EQ(bkdb({"rm", "--yes", "--source", "0123456789abcdef"}).status, 69);
  EXPECT_EQ(bkdb({"rm", "0", "--yes", "--source", id}).status, 64);
  EXPECT_EQ(bkdb({"rm", "<2013-09-06", "--yes", "--source", id}).status, 0);
  EXPECT_EQ(left(), 2U);
}

TEST_F(RemovalTest, WhatIsHeldStaysAndHoldsBackTheWholeCommand) {
  fill();
  const Captured held = bkdb({"hold", "1", "=2013-09-05 01:35:30", "--reason", "court case 7"});
  EXPECT_EQ(held.status, 0) << held.err;
  const Captured refused = bkdb({"rm", "1", "--yes", "--expect", "3"});
  EXPECT_EQ(refused.status, 77);
  EXPECT_NE(refused.err.find("is held (\"court case 7\")"), std::string::npos) << refused.err;
  EXPECT_EQ(left("web1"), 3U);
  EXPECT_EQ(bkdb({"rm", "1", ">2013-09-06", "--yes", "--expect", "2"}).status, 0);
  EXPECT_EQ(bkdb({"release", "1"}).status, 0);
  EXPECT_EQ(bkdb({"release", "1"}).status, 69);
  EXPECT_EQ(bkdb({"rm", "1", "--yes", "--expect", "1"}).status, 0);
  EXPECT_EQ(left("web1"), 0U);
}

TEST_F(RemovalTest, CleanGivesTheRoomBackAndPretendOnlyCounts) {
  write("t/big", std::string(300000, 'x') + std::to_string(1));
  fill();
  const auto unneeded = [&] {
    return json::parse(bkdb({"clean-pretend", "--json"}).out)["unneeded"].get<std::uint64_t>();
  };
  EXPECT_EQ(unneeded(), 0U);
  ASSERT_EQ(bkdb({"rm", "0", "<2013-09-07", "--yes", "--expect", "2"}).status, 0);
  ASSERT_EQ(bkdb({"rm", "1", "<2013-09-07", "--yes", "--expect", "2"}).status, 0);
  const std::uint64_t count = unneeded();
  EXPECT_GT(count, 0U);
  EXPECT_EQ(bkdb({"clean", "--expect", std::to_string(count + 1)}).status, 77);
  EXPECT_EQ(bkdb({"clean", "--rewrite", "101"}).status, 64);
  EXPECT_EQ(unneeded(), count);
  const Captured cleaned = bkdb({"clean", "--rewrite", "0", "--expect", std::to_string(count)});
  EXPECT_EQ(cleaned.status, 0) << cleaned.err;
  EXPECT_NE(cleaned.out.find(" chunks are not needed\n"), std::string::npos) << cleaned.out;
  EXPECT_EQ(unneeded(), 0U);
  EXPECT_EQ(bkdb({"verify"}).status, 0);
  ASSERT_EQ(bkdb({"build"}).status, 0);
  EXPECT_EQ(bkdb({"verify"}).status, 0);
  const auto writer = store_->writer("web1", "directories", "rsync", "/srv/wiki");
  EXPECT_EQ(bkdb({"clean"}).status, 0) << "nothing is condemned, so nobody is waited for";
}

TEST_F(RemovalTest, CatalogAndViewsForgetWhatIsRemoved) {
  fill();
  const auto record = store_->snapshots("web1").front();
  const std::string view = home() + "/" +
                           server::view_folder(record.client, record.module, record.method, record.name) +
                           "/" + server::view_file_name(record);
  ASSERT_TRUE(path_exists(view));
  ASSERT_EQ(bkdb({"rm", "1", "=2013-09-05 01:35:30", "--yes", "--expect", "1"}).status, 0);
  EXPECT_FALSE(path_exists(view));
  server::Catalog catalog(home() + "/catalog.db");
  EXPECT_EQ(catalog.list("web1").size(), 2U);
  EXPECT_EQ(catalog.size(), 5U);
}

}  // namespace
}  // namespace bk::test
