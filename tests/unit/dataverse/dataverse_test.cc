// Module dataverse against a real PostgreSQL and a real object store.  Each loss of the script that this
// module replaces (B001-1 to B001-13) has a test that names it.
#include "tests/support/refused.h"
#include "tests/unit/dataverse/dataverse_world.h"

#include <sys/stat.h>

namespace bk::client {
namespace {

using test::refused;

TEST_F(Dataverse, B001_1_SchemasBeforeAndSince49AreRead) {
  put("10.5072/FK2/A/f1", "one");
  (void)row(dataset("10.5072", "FK2/A"), "file://f1", "one");
  EXPECT_EQ(save().text(), "1 files processed; 1 success, 0 failed");
  EXPECT_EQ(read("file/10.5072/FK2/A/f1"), "one");

  run_sql("ALTER TABLE dataset ADD authority varchar(255), ADD identifier varchar(255)");
  run_sql(
      "UPDATE dataset s SET authority = d.authority, identifier = d.identifier FROM dvobject d WHERE d.id = "
      "s.id");
  run_sql("ALTER TABLE dvobject DROP authority, DROP identifier");
  run_sql("DROP TABLE alternativepersistentidentifier");
  run_sql("ALTER TABLE datatable DROP originalfilesize");
  EXPECT_EQ(save().text(), "1 files processed; 1 skipped (already backed up), 0 success, 0 failed");
  run_sql("DROP TABLE dataset CASCADE");
  EXPECT_THROW((void)save(), Error);
}

TEST_F(Dataverse, B001_2_AFailedFileIsTriedAgainByTheNextOrdinaryRun) {
  const int owner = dataset("10.1", "A");
  put("10.1/A/old", "old");
  (void)row(owner, "old", "old", "MD5", "2020-01-01");
  (void)row(owner, "late", "late", "MD5", "2020-01-02");
  DataverseReport report = save();
  EXPECT_EQ(report.text(), "2 files processed; 1 success, 1 failed");
  EXPECT_EQ(report.failures.at(0), "FAIL_READ 10.1/A/late");
  put("10.1/A/late", "late");
  EXPECT_EQ(save().text(), "2 files processed; 1 skipped (already backed up), 1 success, 0 failed");
}

TEST_F(Dataverse, B001_3_FilesWithEarlierOrEqualTimesAreNeverLost) {
  const int owner = dataset("10.1", "A");
  for (const char* file : {"a", "b", "c"}) put(std::string("10.1/A/") + file, file);
  (void)row(owner, "a", "a", "MD5", "2020-01-05");
  EXPECT_EQ(save().succeeded, 1U);
  (void)row(owner, "b", "b", "MD5", "2020-01-01");  // committed late, made earlier
  (void)row(owner, "c", "c", "MD5", "2020-01-05");  // of the same import
  EXPECT_EQ(save().succeeded, 2U);
}

TEST_F(Dataverse, B001_4_TheSameStorageIdentifierInTwoDatasetsIsTwoFiles) {
  servers().postgres.execute("postgres", "CREATE DATABASE status" + name);
  servers().postgres.execute("status" + name, kOldStatus);
  source.status_database = "status" + name;
  put("10.1/A/same", "one");
  put("10.1/B/same", "two");
  (void)row(dataset("10.1", "A"), "file://same", "one");
  (void)row(dataset("10.1", "B"), "file://same", "two");
  EXPECT_EQ(save().succeeded, 2U);
  EXPECT_EQ(read("file/10.1/A/same"), "one");
  EXPECT_EQ(read("file/10.1/B/same"), "two");
  EXPECT_EQ(servers().postgres.value("status" + name, "SELECT string_agg(status, ',') FROM datafilestatus"),
            "OK");
}

TEST_F(Dataverse, B001_5_EveryChecksumOfDataverseIsVerified) {
  const int owner = dataset("10.1", "A");
  for (const char* kind : {"MD5", "SHA-1", "SHA1", "SHA256", "SHA-512"}) {
    put(std::string("10.1/A/") + kind, kind);
    (void)row(owner, std::string("file://") + kind, kind, kind);
  }
  put("10.1/A/rotten", "rottem");
  (void)row(owner, "file://rotten", "rotten", "SHA512");
  const DataverseReport report = save();
  EXPECT_EQ(report.succeeded, 5U);
  EXPECT_EQ(report.failures.at(0), "FAIL_VERIFY 10.1/A/file://rotten");
  EXPECT_FALSE(has("file/10.1/A/rotten"));
}

TEST_F(Dataverse, B001_6_PortAndPasswordFileAreUsedAndTheServerIsSaidWhenItRefuses) {
  DataverseSource wrong = source;
  wrong.database.port = "1";
  EXPECT_THROW(postgres::Connection{wrong.database}, Error);
  servers().postgres.execute("postgres", "CREATE ROLE r" + name + " LOGIN PASSWORD 'secret'");
  wrong = source;
  wrong.database.user = "r" + name;
  (void)refused(Kind::Refused, [&] { const postgres::Connection connection(wrong.database); });
  const std::string passwords = dir.file("pgpass");
  replace_durably(passwords, "*:*:*:r" + name + ":secret\n");
  wrong.database.password_file = passwords;
  EXPECT_NO_THROW(postgres::Connection{wrong.database});
  source = wrong;
  source.folder = dir.file("files");
  (void)refused(Kind::Refused, [&] { (void)save(); });
  for (const char* table :
       {"dvobject", "dataset", "datafile", "datatable", "alternativepersistentidentifier"})
    run_sql("GRANT SELECT ON " + std::string(table) + " TO r" + name);
  EXPECT_EQ(save().listed, 0U);
}

TEST_F(Dataverse, B001_7_ADatabaseThatIsGoneIsAFailureAndLeavesNothingToPull) {
  put("10.1/A/f", "f");
  (void)row(dataset("10.1", "A"), "f", "f");
  (void)save();
  source.database.database = "absent";
  (void)refused(Kind::Config, [&] { (void)save(); });
  EXPECT_FALSE(path_exists(data));
  source.database.database = name;
  EXPECT_EQ(save().already, 1U);
}

TEST_F(Dataverse, B001_8_NamesAreBytesAndNeverReachAShellOrLeaveTheTree) {
  const std::string odd = "a b;`touch x`$(y)";
  const int owner = dataset("10.1", "A");
  put("10.1/A/" + odd, "odd");
  (void)row(owner, "file://" + odd, "odd");
  (void)row(owner, "file://../../escape", "no");
  (void)row(dataset("..", "x"), "file://f", "no");
  const DataverseReport report = save();
  EXPECT_EQ(report.succeeded, 1U);
  EXPECT_EQ(report.failed, 2U);
  EXPECT_EQ(read("file/10.1/A/" + odd), "odd");
}

TEST_F(Dataverse, B001_9_ACutRunLeavesNoPartAndIsGoneOnWith) {
  const int owner = dataset("10.1", "A");
  source.links = false;
  for (int i = 0; i < 5; ++i) {
    put("10.1/A/f" + std::to_string(i), "content");
    (void)row(owner, "f" + std::to_string(i), "content");
  }
  (void)save();
  {
    const Mirror cut(run_);
    remove_durably(cut.folder() + "/files/file/10.1/A/f0");
    replace_durably(cut.folder() + "/files/file/10.1/A/f1", "con");
  }
  EXPECT_FALSE(path_exists(data));
  EXPECT_EQ(save().text(), "5 files processed; 3 skipped (already backed up), 2 success, 0 failed");
  EXPECT_EQ(read("file/10.1/A/f1"), "content");
}

TEST_F(Dataverse, B001_10_WhatDataverseDeletesOrMovesIsFollowed) {
  const int owner = dataset("10.1", "A");
  put("10.1/A/f", "f");
  put("10.1/A/g", "g");
  (void)row(owner, "f", "f");
  const int g = row(owner, "g", "g");
  (void)save();
  run_sql(fmt::format("DELETE FROM datafile WHERE id = {0}", g));
  EXPECT_EQ(save().gone, 1U);
  EXPECT_FALSE(has("file/10.1/A/g"));
  put("10.2/Z/f", "f");
  run_sql(fmt::format("UPDATE dvobject SET authority = '10.2', identifier = 'Z' WHERE id = {}", owner));
  EXPECT_EQ(save().succeeded, 1U);
  EXPECT_FALSE(has("file/10.1"));
  EXPECT_EQ(read("file/10.2/Z/f"), "f");
}

TEST_F(Dataverse, B001_11_EveryFailureSaysWhy) {
  const int owner = dataset("10.1", "A");
  (void)row(owner, "absent", "x");
  put("10.1/A/rotten", "y");
  (void)row(owner, "rotten", "x");
  run_sql("UPDATE dvobject SET storageidentifier = NULL WHERE id = " +
          std::to_string(row(owner, "null", "x")));
  const DataverseReport report = save();
  ASSERT_EQ(report.reasons.size(), 3U);
  EXPECT_NE(report.reasons[0].find("No such file"), std::string::npos);
  EXPECT_NE(report.reasons[1].find("should be"), std::string::npos);
  EXPECT_NE(report.reasons[2].find("no storage identifier"), std::string::npos);
  const std::string list = read_file(data + "/files.jsonl");
  EXPECT_NE(list.find("\"status\":\"FAIL_VERIFY\",\"why\":"), std::string::npos) << list;
}

TEST_F(Dataverse, B001_12_TheTreeIsTheStoreAsItWasAndIsGivenBackByThePagesCommand) {
  s3::Bucket bucket(servers().swift.settings("back-" + name), kClock);
  ASSERT_TRUE(bucket.make());
  DataverseStore store;
  store.type = DataverseStore::Type::Bucket;
  store.settings = servers().swift.settings("");
  source.stores["s3"] = store;
  (void)bucket.put("10.1/A/b", "bucket");
  put("10.1/A/f", "f");
  put("10.1/A/t", "derived");
  put("10.1/A/t.orig", "upload");
  const int owner = dataset("10.1", "A");
  (void)row(owner, "file://f", "f");
  (void)row(owner, "s3://back-" + name + ":b", "bucket");
  const int table = row(owner, "file://t", "upload");
  run_sql(fmt::format("UPDATE datafile SET filesize = 7 WHERE id = {}", table));
  run_sql(fmt::format("INSERT INTO datatable (datafile_id, originalfilesize) VALUES ({}, 6)", table));
  EXPECT_EQ(save().succeeded, 3U);
  bucket.remove("10.1/A/b");
  for (const char* file : {"10.1/A/f", "10.1/A/t", "10.1/A/t.orig"})
    EXPECT_EQ(read(std::string("file/") + file), read_file(join_path(source.folder, file)));

  // The page's restore, as it stands there.
  describe(dir.file("restored"));
  EXPECT_EQ(restore_as_the_page_says(), "4 files put, 0 were there, 0 failed\n");
  for (const char* file : {"10.1/A/f", "10.1/A/t", "10.1/A/t.orig"})
    EXPECT_EQ(read_file(dir.file("restored/") + file), read_file(join_path(source.folder, file)));
  EXPECT_EQ(bucket.get("10.1/A/b", {}, [](std::string_view bytes) { EXPECT_EQ(bytes, "bucket"); })->bytes,
            6U);
  EXPECT_EQ(restore_as_the_page_says(), "0 files put, 4 were there, 0 failed\n");

  // What is there and differs is left alone; what does not fit its checksum is never put.
  replace_durably(dir.file("restored/10.1/A/f"), "newer");
  remove_durably(dir.file("restored/10.1/A/t"));
  remove_durably(dir.file("restored/10.1/A/t.orig"));
  replace_durably(data + "/files/file/10.1/A/t.orig", "rotten");
  EXPECT_EQ(restore_as_the_page_says(kExitPartial), "1 files put, 1 were there, 2 failed\n");
  EXPECT_EQ(read_file(dir.file("restored/10.1/A/f")), "newer");
  EXPECT_FALSE(path_exists(dir.file("restored/10.1/A/t.orig")));
}

TEST_F(Dataverse, AFileWhoseLineHasNoChecksumIsNotGivenBackUnchecked) {
  put("10.1/A/f", "f");
  (void)row(dataset("10.1", "A"), "file://f", "f");
  EXPECT_EQ(save().succeeded, 1U);
  std::string list = read_file(data + "/files.jsonl");
  const std::size_t at = list.find("\"checksum\"");
  ASSERT_NE(at, std::string::npos) << list;
  replace_durably(data + "/files.jsonl", list.replace(at + 1, 8, "elsewise"));
  describe(dir.file("restored"));
  EXPECT_EQ(restore_as_the_page_says(kExitPartial), "0 files put, 0 were there, 1 failed\n");
  EXPECT_FALSE(path_exists(dir.file("restored/10.1/A/f")));
}

TEST_F(Dataverse, B001_13_LabelsOfAnyNameAndAlternativePidsAreRead) {
  s3::Bucket bucket(servers().swift.settings("bucket-" + name), kClock);
  ASSERT_TRUE(bucket.make());
  DataverseStore store;
  store.type = DataverseStore::Type::Bucket;
  store.settings = servers().swift.settings("");
  source.stores["S3_archive-2"] = store;
  DataverseStore folder;
  folder.folder = source.folder;
  source.stores["My-Local_1"] = folder;
  DataverseStore elsewhere;
  elsewhere.type = DataverseStore::Type::Elsewhere;
  source.stores["globus"] = elsewhere;
  const int owner = dataset("10.1", "NEW");
  run_sql(
      fmt::format("INSERT INTO alternativepersistentidentifier (dvobject_id, authority, identifier, "
                  "storagelocationdesignator) VALUES "
                  "({0}, '10.9', 'not', false), ({0}, '10.0', 'OLD', true)",
                  owner));
  (void)bucket.put("10.0/OLD/18b-50", "in a bucket");
  put("10.0/OLD/local", "local");
  (void)row(owner, "S3_archive-2://bucket-" + name + ":18b-50", "in a bucket", "SHA256");
  (void)row(owner, "My-Local_1://local", "local");
  (void)row(owner, "globus://base//host/path", "x");
  (void)row(owner, "unknown://f", "x");
  source.folder.clear();
  const DataverseReport report = save();
  EXPECT_EQ(report.text(), "4 files processed; 2 success, 1 failed; 1 in remote stores, not saved");
  EXPECT_EQ(read("S3_archive-2/10.0/OLD/18b-50"), "in a bucket");
  EXPECT_EQ(read("My-Local_1/10.0/OLD/local"), "local");
  EXPECT_NE(report.reasons.at(0).find("[store.unknown]"), std::string::npos);
}

TEST_F(Dataverse, LinksCostNoRoomAndLeaveTheStoreAlone) {
  put("10.1/A/f", "content");
  (void)row(dataset("10.1", "A"), "f", "content");
  struct stat before {};
  ASSERT_EQ(::lstat((source.folder + "/10.1/A/f").c_str(), &before), 0);
  (void)save();
  struct stat there {};
  struct stat saved {};
  ASSERT_EQ(::lstat((source.folder + "/10.1/A/f").c_str(), &there), 0);
  ASSERT_EQ(::lstat((data + "/files/file/10.1/A/f").c_str(), &saved), 0);
  EXPECT_EQ(saved.st_ino, there.st_ino);
  EXPECT_EQ(there.st_mode, before.st_mode);
  EXPECT_EQ(there.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
}

TEST_F(Dataverse, RerunAlsoLooksAtWhatIsOk) {
  put("10.1/A/f", "content");
  (void)row(dataset("10.1", "A"), "f", "content");
  (void)save();
  remove_durably(data + "/files/file/10.1/A/f");
  EXPECT_EQ(save().already, 1U);
  EXPECT_EQ(save(true).succeeded, 1U);
  EXPECT_EQ(save(true).already, 1U);
}

}  // namespace
}  // namespace bk::client
