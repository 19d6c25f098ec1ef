#include "server/bkdb/old_folder.h"

#include "common/digest/sha256.h"
#include "common/error/error.h"
#include "common/text/escape.h"
#include "tests/unit/bkdb/bkdb_fixture.h"

#include <unistd.h>

namespace bk::test {
namespace {

// A folder as the old server left it.
class OldFolderTest : public BkdbTest {
 protected:
  void SetUp() override { ensure_directory(folder()); }
  [[nodiscard]] std::string folder() const { return file("old"); }

  static std::string entry(const std::string& source, const std::string& time, const std::string& content) {
    return base64url_encode(source) + " " + time + " " + Sha256::of(content).hex();
  }
  // An object and a link to it; returns the link's name.
  std::string add(const std::string& source, const std::string& time, const std::string& content,
                  bool absolute = true) {
    const std::string object = "@obj_" + Sha256::of(content).hex();
    replace_durably(folder() + "/" + object, content);
    std::string name = entry(source, time, content);
    link((absolute ? folder() + "/" : "./") + object, name);
    return name;
  }
  void link(const std::string& target, const std::string& name) const {
    ASSERT_EQ(::symlink(target.c_str(), (folder() + "/" + name).c_str()), 0);
  }
  [[nodiscard]] Captured here(std::vector<std::string> words) const {
    words.insert(words.begin(), {program(), "-C", folder()});
    return run(words, "/");
  }
  Captured import(std::vector<std::string> more = {}) const {
    std::vector<std::string> words = {"import", folder(), "--client", "web1"};
    words.insert(words.end(), more.begin(), more.end());
    return bkdb(words);
  }
};

TEST(OldEntryName, IsThreeFieldsWithATimeAndADigest) {
  const std::string hash = Sha256::of("x").hex();
  std::string why;
  const auto good = bkdb::parse_old_entry("L3Nydi90cmFj 13-1-1_0_0_0 " + hash, why);
  ASSERT_TRUE(good) << why;
  EXPECT_EQ(good->source, "/srv/trac");
  EXPECT_EQ(to_text(good->time), "2013-01-01T00:00:00.000000000Z");
  EXPECT_EQ(bkdb::parse_old_entry("2013-1-1 2013-1-1_0_0_0 " + hash, why)->time.seconds, 64470902400);
  const auto reason_of = [&](const std::string& name) {
    EXPECT_FALSE(bkdb::parse_old_entry(name, why)) << name;
    return why;
  };
  EXPECT_EQ(reason_of("a  13-01-01_00_00_00 " + hash), "Unexpected number of fields");
  EXPECT_EQ(reason_of("a 13-01-01_00_00 " + hash), "Bad datetime representation");
  EXPECT_EQ(reason_of("a 13-01-xx_00_00_00 " + hash), "Bad datetime representation");
  EXPECT_EQ(reason_of("a 13-02-30_00_00_00 " + hash), "Invalid datetime field");
  EXPECT_EQ(reason_of("a 13-02-20_00_00_00 abc"), "Its third field is no SHA-256");
}

TEST_F(OldFolderTest, LsShowsSourcesAndTimesAsTheOldOneDid) {
  add("/home/services/trac", "13-09-05_01_35_30", "one");
  add("/home/services/trac", "13-9-6_1_2_3", "two", false);
  add("/home/services/wiki", "13-09-05_01_36_00", "three");
  ensure_directory(folder() + "/incomplete");
  replace_durably(folder() + "/upload.tmp", "half");
  const Captured result = here({"ls"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.out, "Base path: \"" + folder() +
                            "\"\n"
                            "* [0] /home/services/trac\n"
                            "* [1] /home/services/wiki\n"
                            "[0] /home/services/trac:\n"
                            "\t2013-09-06 01:02:03 [0]\t\t2013-09-05 01:35:30 [0]\n\n"
                            "[1] /home/services/wiki:\n"
                            "\t2013-09-05 01:36:00 [1]\n\n");
  EXPECT_EQ(result.err, "");
}

TEST_F(OldFolderTest, WhatIsNoEntryIsNamedAndLeftOut) {
  add("/a", "13-09-05_01_35_30", "one");
  const std::string other = entry("/a", "13-09-06_01_35_30", "two");
  link("/elsewhere", other);
  replace_durably(folder() + "/notes", "text");
  const Captured result = here({"ls"});
  EXPECT_EQ(result.status, 0);
  EXPECT_NE(result.err.find("Ignore \"notes\": Unexpected number of fields"), std::string::npos)
      << result.err;
  EXPECT_NE(result.err.find("Links to \"/elsewhere\", not datachunk"), std::string::npos) << result.err;
}

TEST_F(OldFolderTest, VerifyHashesEveryArchive) {
  const std::string good = add("/a", "13-09-05_01_35_30", "one");
  EXPECT_EQ(here({"verify"}).status, 0);
  const std::string bad = add("/a", "13-09-06_01_35_30", "two");
  replace_durably(folder() + "/@obj_" + Sha256::of("two").hex(), "twx");
  const std::string lost = entry("/a", "13-09-07_01_35_30", "three");
  link("@obj_" + Sha256::of("three").hex(), lost);
  replace_durably(folder() + "/@obj_" + Sha256::of("alone").hex(), "alone");
  const Captured result = here({"verify"});
  EXPECT_EQ(result.status, 65);
  EXPECT_NE(result.err.find(bad + "\": corrupted"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find(lost + "\": its archive is missing"), std::string::npos) << result.err;
  EXPECT_EQ(result.err.find(good), std::string::npos);
  EXPECT_NE(result.out.find("unreferenced: @obj_" + Sha256::of("alone").hex()), std::string::npos);
}

TEST_F(OldFolderTest, ExportWritesWhatIsRightAndTakesNothingElse) {
  add("/a", "13-09-05_01_35_30", "one");
  add("/b", "13-09-06_01_35_30", "two");
  replace_durably(folder() + "/@obj_" + Sha256::of("two").hex(), "twx");
  const Captured result = here({"export", file("out"), ">2000-1-1"});
  EXPECT_EQ(result.status, 65) << result.err;
  const std::string name = "0_20130905T013530Z_" + Sha256::of("one").hex().substr(0, 12);
  EXPECT_EQ(list_directory(file("out")), (std::vector<std::string>{name, "EXPORT.txt"}));
  EXPECT_EQ(read_file(file("out") + "/" + name), "one");
}

TEST_F(OldFolderTest, NothingElseIsDoneThere) {
  add("/a", "13-09-05_01_35_30", "one");
  for (const char* command : {"build", "clean", "rm", "stats"})
    EXPECT_EQ(here({command}).status, 64) << command;
}

TEST_F(OldFolderTest, ImportKeepsTimesAndContentAndIsRepeatable) {
  add("/srv/wiki", "13-09-06_01_35_30", "B");
  add("/srv/wiki", "13-09-05_01_35_30", "A");
  add("/srv/wiki", "13-09-07_01_35_30", "A");
  replace_durably(folder() + "/" + entry("/srv/trac", "12-01-02_03_04_05", "exported"), "exported");
  const Captured first = import();
  EXPECT_EQ(first.status, 0) << first.err;
  EXPECT_NE(first.out.find("imported: 4 archives"), std::string::npos) << first.out;
  const Captured listed = bkdb({"ls"});
  EXPECT_NE(listed.out.find("2013-09-07 01:35:30 [1]\t\t2013-09-06 01:35:30 [1]\t\t2013-09-05 01:35:30 [1]"),
            std::string::npos)
      << listed.out;
  EXPECT_EQ(bkdb({"cat", "1", "=2013-09-06 01:35:30", "."}).out, "B");
  EXPECT_EQ(bkdb({"cat", "0", "."}).out, "exported");
  EXPECT_EQ(bkdb({"verify"}).status, 0);
  const Captured again = import();
  EXPECT_EQ(again.status, 0);
  EXPECT_NE(again.out.find("imported: 0 archives; 4 were there already"), std::string::npos) << again.out;
  EXPECT_EQ(bkdb({"ls"}).out, listed.out);
}

TEST_F(OldFolderTest, ImportTakesNothingDamagedAndNothingOutOfOrder) {
  add("/a", "13-09-05_01_35_30", "one");
  add("/a", "13-09-06_01_35_30", "two");
  replace_durably(folder() + "/@obj_" + Sha256::of("one").hex(), "onx");
  EXPECT_EQ(import().status, 65);
  EXPECT_EQ(import().status, 65);  // still
  replace_durably(folder() + "/@obj_" + Sha256::of("one").hex(), "one");
  EXPECT_EQ(import().status, 77);  // whole again, and something newer is there
  EXPECT_EQ(bkdb({"verify"}).status, 0);
}

TEST_F(OldFolderTest, ImportSaysWhatItNeeds) {
  EXPECT_EQ(import().status, 69);
  replace_durably(folder() + "/EXPORT.txt", "bk-export 1\n");
  EXPECT_NE(import().err.find("copy its folder"), std::string::npos);
  EXPECT_EQ(bkdb({"import", folder()}).status, 64);
  EXPECT_EQ(bkdb({"import", file("nowhere"), "--client", "web1"}).status, 64);
  EXPECT_EQ(bkdb({"import", folder(), "--client", "../x"}).status, 64);
}

TEST_F(OldFolderTest, ImportKilledAtAnyStepGoesOnWhereItWas) {
  add("/a", "13-09-05_01_35_30", "one");
  add("/a", "13-09-06_01_35_30", "two");
  for (const char* step : {"bkdb.import_committed", "bkdb.import_catalog"})
    (void)bkdb({"import", folder(), "--client", "web1"}, {std::string("BACKLINE_CRASH_AT=") + step});
  EXPECT_EQ(import().status, 0);
  EXPECT_EQ(bkdb({"verify"}).status, 0);
  EXPECT_NE(bkdb({"ls"}).out.find("2013-09-06 01:35:30 [0]\t\t2013-09-05 01:35:30 [0]"), std::string::npos);
}

}  // namespace
}  // namespace bk::test
