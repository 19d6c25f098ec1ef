#include "server/bkdb/layout.h"

#include <gtest/gtest.h>

#include <numeric>

namespace bk::bkdb {
namespace {

store::SnapshotRecord snapshot(const std::string& path, const char* time, const std::string& method = "sftp",
                               const std::string& client = "web1") {
  store::SnapshotRecord record;
  record.client = client;
  record.module = "trac";
  record.method = method;
  record.name = path;
  record.began = *parse_timestamp(time);
  record.id = Sha256::of(path + time).hex();
  return record;
}

std::vector<Selected> everything(const std::vector<Source>& sources) {
  std::vector<Selected> out;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    Selected one{i, {}};
    for (std::size_t at = sources[i].snapshots.size(); at > 0; --at) one.snapshots.push_back(at - 1);
    out.push_back(one);
  }
  return out;
}

TEST(Sources, AreNumberedByDecodedPathBytesThenMethod) {  // B004-1
  const auto sources = group_sources({snapshot("/home/services/wordpress", "2013-09-05T01:00:00Z"),
                                      snapshot("/home/services/wiki", "2013-09-05T01:00:00Z", "sftp"),
                                      snapshot("/home/services/wiki", "2013-09-05T01:00:00Z", "rsync"),
                                      snapshot("/home/services/trac", "2013-09-05T01:00:00Z")},
                                     {});
  ASSERT_EQ(sources.size(), 4U);
  EXPECT_EQ(sources[0].name, "/home/services/trac");
  EXPECT_EQ(sources[1].method, "rsync");
  EXPECT_EQ(sources[2].method, "sftp");
  EXPECT_EQ(sources[3].name, "/home/services/wordpress");
}

TEST(Sources, FilterNarrowsAndRenumbers) {
  const std::vector<store::SnapshotRecord> all = {snapshot("/a", "2013-09-05T01:00:00Z", "rsync", "web1"),
                                                  snapshot("/b", "2013-09-05T01:00:00Z", "sftp", "web2")};
  EXPECT_EQ(group_sources(all, {"web2", ""})[0].name, "/b");
  EXPECT_EQ(group_sources(all, {"", "rsync"}).size(), 1U);
  EXPECT_EQ(group_sources(all, {"web2", "rsync"}).size(), 0U);
}

TEST(Sources, IdIsStableAndDiffersByEachPart) {
  EXPECT_EQ(source_id("c", "m", "sftp", "/p"), source_id("c", "m", "sftp", "/p"));
  EXPECT_NE(source_id("c", "m", "sftp", "/p"), source_id("cm", "", "sftp", "/p"));
  EXPECT_EQ(source_id("c", "m", "sftp", "/p").size(), 16U);
}

TEST(Sources, EntryNameHasIndexUtcTimeAndTwelveHexDigits) {
  const auto record = snapshot("/p", "2013-09-05T01:35:30.5Z");
  EXPECT_EQ(entry_name(7, record), "7_20130905T013530Z_" + record.id.substr(0, 12));
}

TEST(Sources, ShownPathKeepsTextAndEscapesWhatATerminalObeys) {
  EXPECT_EQ(shown_path("/srv/caf\xc3\xa9 x"), "/srv/caf\xc3\xa9 x");
  for (const char* bad : {"/a\nb", "/a\x1b[31m", "/a\xff", "/a\xc2\x9b", "/a\xe2\x80\xae", "/a\xc0\xaf"})
    EXPECT_EQ(shown_path(bad).front(), '"') << bad;
}

TEST(Layout, IsThatOfTheManual) {
  const auto sources = group_sources({snapshot("/home/services/wiki", "2013-09-06T01:35:30Z"),
                                      snapshot("/home/services/trac", "2013-09-05T01:35:30Z")},
                                     {});
  EXPECT_EQ(layout(sources, everything(sources), {"/srv/backupsrv/data/web1/sftp", Zone::Utc, false}),
            "Base path: \"/srv/backupsrv/data/web1/sftp\"\n"
            "* [0] /home/services/trac\n"
            "* [1] /home/services/wiki\n"
            "[0] /home/services/trac:\n"
            "\t2013-09-05 01:35:30 [0]\n"
            "\n"
            "[1] /home/services/wiki:\n"
            "\t2013-09-06 01:35:30 [1]\n"
            "\n");
}

TEST(Layout, ThreeColumnsAreFilledColumnFirst) {
  std::vector<store::SnapshotRecord> records;
  for (int i = 1; i <= 7; ++i)
    records.push_back(snapshot("/p", ("2013-09-0" + std::to_string(i) + "T00:00:00Z").c_str()));
  const auto sources = group_sources(records, {});
  const std::string text = layout(sources, everything(sources), {"/b", Zone::Utc, false});
  const std::string c = " 00:00:00 [0]";
  const auto day = [&](int d) { return "2013-09-0" + std::to_string(d) + c; };
  EXPECT_NE(text.find("\t" + day(7) + "\t\t" + day(4) + "\t\t" + day(1) + "\n\t" + day(6) + "\t\t" + day(3) +
                      "\n\t" + day(5) + "\t\t" + day(2) + "\n\n"),
            std::string::npos)
      << text;
}

TEST(Layout, AllSourcesAreTitledAlsoWhenFiltered) {
  const auto sources =
      group_sources({snapshot("/a", "2013-09-05T01:00:00Z"), snapshot("/b", "2013-09-05T01:00:00Z")}, {});
  const std::string text = layout(sources, {{1, {0}}}, {"/x", Zone::Utc, false});
  EXPECT_NE(text.find("* [0] /a\n* [1] /b\n[1] /b:\n"), std::string::npos) << text;
}

TEST(Layout, SourceWithoutMatchHasNoEmptyLine) {
  const auto sources = group_sources({snapshot("/a", "2013-09-05T01:00:00Z")}, {});
  EXPECT_EQ(layout(sources, {{0, {}}}, {"/x", Zone::Utc, false}), "Base path: \"/x\"\n* [0] /a\n[0] /a:\n");
}

TEST(Layout, SourcesOfDifferentClientsAreToldApart) {
  const auto sources = group_sources({snapshot("/a", "2013-09-05T01:00:00Z", "sftp", "web1"),
                                      snapshot("/a", "2013-09-05T01:00:00Z", "sftp", "web2")},
                                     {});
  EXPECT_NE(layout(sources, {}, {"/x", Zone::Utc, false}).find("* [0] /a  (web1, sftp, trac)\n"),
            std::string::npos);
}

TEST(Layout, ColoursOnlyWhenAsked) {
  const auto sources = group_sources({snapshot("/a", "2013-09-05T01:00:00Z")}, {});
  EXPECT_EQ(layout(sources, everything(sources), {"/x", Zone::Utc, false}).find('\033'), std::string::npos);
  EXPECT_NE(layout(sources, everything(sources), {"/x", Zone::Utc, true}).find('\033'), std::string::npos);
}

TEST(Layout, ChangeIsJudgedAgainstTheNeighbourOnly) {  // F004-9
  std::vector<store::SnapshotRecord> records;
  const char content[] = {'A', 'A', 'B', 'B', 'A'};
  for (int i = 0; i < 5; ++i) {
    records.push_back(snapshot("/p", ("2013-09-0" + std::to_string(i + 1) + "T00:00:00Z").c_str()));
    records.back().root.type = EntryType::Directory;
    records.back().root.node = Sha256::of(std::string(1, content[i]));
  }
  const auto sources = group_sources(records, {});
  std::string flags;
  for (std::size_t i = 0; i < 5; ++i) flags += has_change(sources[0], i) ? '1' : '0';
  EXPECT_EQ(flags, "10101");
}

}  // namespace
}  // namespace bk::bkdb
