// Module dataverse against a real PostgreSQL and a real object store.  Each loss of the script that this
// module replaces (B001-1 to B001-13) has a test that names it.
#include "client/modules/dataverse_list.h"
#include "client/modules/dataverse_save.h"
#include "client/modules/dataverse_state.h"
#include "common/digest/hasher.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"
#include "tests/support/services/postgres.h"
#include "tests/support/services/swift.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdlib>
#include <memory>
#include <optional>

namespace bk::client {
namespace {

const SystemClock kClock;

// What of the schema is read, and the constraints that shape it.
constexpr const char* kSchema6 = R"(
CREATE TABLE dvobject (id serial PRIMARY KEY, dtype varchar(31), authority varchar(255), identifier varchar(255), protocol varchar(255),
  createdate timestamp NOT NULL, storageidentifier varchar(255), owner_id bigint REFERENCES dvobject(id));
CREATE UNIQUE INDEX ON dvobject (owner_id, storageidentifier) WHERE dtype = 'DataFile';
CREATE TABLE dataset (id bigint PRIMARY KEY REFERENCES dvobject(id), harvestingclient_id bigint);
CREATE TABLE datafile (id bigint PRIMARY KEY REFERENCES dvobject(id), checksumtype varchar(255) NOT NULL, checksumvalue varchar(255) NOT NULL,
  contenttype varchar(255) NOT NULL DEFAULT 'x', filesize bigint, restricted boolean);
CREATE TABLE datatable (id serial PRIMARY KEY, originalfilesize bigint, datafile_id bigint NOT NULL REFERENCES dvobject(id));
CREATE TABLE alternativepersistentidentifier (id serial PRIMARY KEY, dvobject_id bigint NOT NULL, authority varchar(255), identifier varchar(255),
  storagelocationdesignator boolean);
)";
constexpr const char* kOldStatus =
    R"(CREATE TABLE datafilestatus (id serial PRIMARY KEY, datasetidentifier varchar(255), storageidentifier varchar(255),
  status varchar(255), createdate timestamp, lastbackuptime timestamp, lastbackupmethod varchar(16), UNIQUE (storageidentifier)))";

struct Servers {
  test::Postgres postgres;
  test::Swift swift;
};
Servers* servers = nullptr;

class Dataverse : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { servers = new Servers; }
  static void TearDownTestSuite() {
    delete servers;
    servers = nullptr;
  }
  void SetUp() override {
    for (const std::string& why : {servers->postgres.why_not(), servers->swift.why_not()}) {
      if (!why.empty()) GTEST_SKIP() << why;
    }
    static int number = 0;
    name = "dv" + std::to_string(++number);
    servers->postgres.execute("postgres", "CREATE DATABASE " + name);
    run_sql(kSchema6);
    source.file = "dataverse.toml";
    source.database = servers->postgres.admin(name);
    source.folder = dir.file("files");
    ensure_directory(source.folder);
    source.parallel = 2;
  }
  void run_sql(const std::string& sql) const {
    for (std::size_t at = 0; at < sql.size();) {
      const std::size_t end = std::min(sql.find(";\n", at), sql.size());
      if (const std::string one = sql.substr(at, end - at); one.find_first_not_of(" \n") != std::string::npos)
        servers->postgres.execute(name, one);
      at = end + 2;
    }
  }
  [[nodiscard]] int dataset(const std::string& authority, const std::string& identifier) const {
    const std::string id = servers->postgres.value(
        name, fmt::format("INSERT INTO dvobject (dtype, authority, identifier, createdate) VALUES "
                          "('Dataset', '{}', '{}', now()) RETURNING id",
                          authority, identifier));
    run_sql("INSERT INTO dataset (id) VALUES (" + id + ")");
    return std::stoi(id);
  }
  int row(int owner, const std::string& storage, const std::string& content, const std::string& kind = "MD5",
          const std::string& created = "2020-01-01") const {
    const std::string id = servers->postgres.value(
        name, fmt::format("INSERT INTO dvobject (dtype, owner_id, storageidentifier, createdate) VALUES "
                          "('DataFile', {}, '{}', '{}') RETURNING id",
                          owner, storage, created));
    run_sql(fmt::format(
        "INSERT INTO datafile (id, checksumtype, checksumvalue, filesize) VALUES ({}, '{}', '{}', {})", id,
        kind, hex_encode(Hasher::of(*parse_hash_kind(kind), content)), content.size()));
    return std::stoi(id);
  }
  void put(const std::string& path, const std::string& content) const {
    ensure_directory(parent_of(join_path(source.folder, path)), 0755);
    replace_durably(join_path(source.folder, path), content, 0644);
  }
  DataverseReport save(bool rerun = false) {
    Mirror mirror(run_);
    const DataverseReport report = save_dataverse(source, mirror, kClock, rerun);
    data = mirror.commit();
    return report;
  }
  [[nodiscard]] std::string read(const std::string& path) const { return read_file(data + "/files/" + path); }
  [[nodiscard]] bool has(const std::string& path) const { return path_exists(data + "/files/" + path); }

  test::TempDir dir{test::TempDir::fast()};
  std::string name, data;
  DataverseSource source;
  client::Run run_{dir.path(), "main", "", "dataverse", "/etc/dataverse.toml"};
};

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
  servers->postgres.execute("postgres", "CREATE DATABASE status" + name);
  servers->postgres.execute("status" + name, kOldStatus);
  source.status_database = "status" + name;
  put("10.1/A/same", "one");
  put("10.1/B/same", "two");
  (void)row(dataset("10.1", "A"), "file://same", "one");
  (void)row(dataset("10.1", "B"), "file://same", "two");
  EXPECT_EQ(save().succeeded, 2U);
  EXPECT_EQ(read("file/10.1/A/same"), "one");
  EXPECT_EQ(read("file/10.1/B/same"), "two");
  EXPECT_EQ(servers->postgres.value("status" + name, "SELECT string_agg(status, ',') FROM datafilestatus"),
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
  servers->postgres.execute("postgres", "CREATE ROLE r" + name + " LOGIN PASSWORD 'secret'");
  wrong = source;
  wrong.database.user = "r" + name;
  try {
    const postgres::Connection connection(wrong.database);
    FAIL() << "let in without a password";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Refused) << error.what();
  }
  const std::string passwords = dir.file("pgpass");
  replace_durably(passwords, "*:*:*:r" + name + ":secret\n");
  wrong.database.password_file = passwords;
  EXPECT_NO_THROW(postgres::Connection{wrong.database});
  source = wrong;
  source.folder = dir.file("files");
  try {
    (void)save();
    FAIL() << "read tables without a right to";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Refused) << error.what();
  }
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
  try {
    (void)save();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Config) << error.what();
  }
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

TEST_F(Dataverse, B001_12_TheTreeIsTheStoreAsItWas) {
  put("10.1/A/f", "f");
  put("10.1/A/t", "derived");
  put("10.1/A/t.orig", "upload");
  const int owner = dataset("10.1", "A");
  (void)row(owner, "file://f", "f");
  const int table = row(owner, "file://t", "upload");
  run_sql(fmt::format("UPDATE datafile SET filesize = 7 WHERE id = {}", table));
  run_sql(fmt::format("INSERT INTO datatable (datafile_id, originalfilesize) VALUES ({}, 6)", table));
  EXPECT_EQ(save().succeeded, 2U);
  for (const char* file : {"10.1/A/f", "10.1/A/t", "10.1/A/t.orig"})
    EXPECT_EQ(read(std::string("file/") + file), read_file(join_path(source.folder, file)));

  // The page's restore, as it stands there.
  const std::string page = read_file(BK_SOURCE "/docs/modules/dataverse.md");
  const std::size_t begin = page.find("```sh\n") + 6;
  Command restore;
  restore.argv = {"bash", "-euc", page.substr(begin, page.find("```", begin) - begin)};
  restore.environment = base_environment(dir.path());
  restore.environment.push_back("TREE=" + data);
  restore.environment.push_back("FILES=" + dir.file("restored"));
  const Captured ran = run_captured(restore, std::chrono::seconds(30));
  EXPECT_EQ(ran.status, 0) << ran.err;
  for (const char* file : {"10.1/A/f", "10.1/A/t", "10.1/A/t.orig"})
    EXPECT_EQ(read_file(dir.file("restored/") + file), read_file(join_path(source.folder, file)));
}

TEST_F(Dataverse, B001_13_LabelsOfAnyNameAndAlternativePidsAreRead) {
  s3::Bucket bucket(servers->swift.settings("bucket-" + name), kClock);
  ASSERT_TRUE(bucket.make());
  DataverseStore store;
  store.type = DataverseStore::Type::Bucket;
  store.settings = servers->swift.settings("");
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

// The three stores of many files, filled by one statement; every 20th file absent, every 20th rotten.
class Many : public Dataverse {
 protected:
  void fill(int count) {
    bucket_.emplace(servers->swift.settings("many-" + name), kClock);
    ASSERT_TRUE(bucket_->make());
    odd_ = dir.file("odd");
    const int owner = dataset("10.1", "M");
    run_sql(
        fmt::format("WITH f AS (INSERT INTO dvobject (dtype, owner_id, storageidentifier, createdate) SELECT "
                    "'DataFile', {0}, (CASE i % 3 WHEN 0 THEN "
                    "'s3://many-{1}:f' WHEN 1 THEN 'ODD_label://f' ELSE 'file://f' END) || i, now() FROM "
                    "generate_series(0, {2}) i RETURNING id, "
                    "substring(storageidentifier from '[0-9]+$') AS i) INSERT INTO datafile (id, "
                    "checksumtype, checksumvalue, filesize) SELECT id, 'MD5', "
                    "md5('content of ' || i), 11 + length(i) FROM f",
                    owner, name, count - 1));
    for (int i = 0; i < count; ++i) put_one(i);
  }
  void put_one(int i) {
    const bool absent = i % 20 == 7;
    const bool rotten = i % 20 == 13;
    broken += absent || rotten ? 1 : 0;
    if (absent) return;
    const std::string content = (rotten ? "C" : "c") + ("ontent of " + std::to_string(i));
    const std::string file = "f" + std::to_string(i);
    if (i % 3 == 0) {
      (void)bucket_->put("10.1/M/" + file, content);
      return;
    }
    const std::string path = (i % 3 == 1 ? odd_ : source.folder) + "/10.1/M/" + file;
    ensure_directory(parent_of(path));
    const Fd fd = open_file(path, O_WRONLY | O_CREAT);
    write_all(fd.get(), content);
  }
  // The description that the cmd reads.
  void describe() {
    const test::Swift& swift = servers->swift;
    replace_durably(dir.file("dataverse.toml"),
                    fmt::format("files = \"{}\"\n[database]\nhost = \"{}\"\nname = \"{}\"\nuser = "
                                "\"admin\"\n[store.s3]\ntype = \"s3\"\nendpoint = "
                                "\"{}\"\nbucket = \"many-{}\"\ncredentials = \"{}\"\n[store.ODD_label]\ntype "
                                "= \"file\"\ndirectory = \"{}\"\n",
                                source.folder, source.database.host, name, swift.value("S3_ENDPOINT"), name,
                                swift.credentials_file(), odd_));
    ensure_directory(dir.file("requests/main"));
  }
  Command cmd(const std::string& crash) const {
    Command out;
    out.argv = {BK_BIN_DIR "/cmds/backup_dataverse", dir.file("dataverse.toml")};
    out.environment = base_environment(dir.path());
    for (const std::string& one :
         {"BACKLINE_HOME=" + dir.path(), std::string("BACKLINE_SERVER=main"),
          "BACKLINE_TOKEN=" + std::string(32, 'a'), std::string("BACKLINE_MODULE=dataverse"),
          "BACKLINE_NAME=" + base64url_encode(run_.name)})
      out.environment.push_back(one);
    if (!crash.empty()) out.environment.push_back("BACKLINE_CRASH_AT=" + crash);
    return out;
  }
  void check_result(std::uint64_t count) {
    source.stores = load_dataverse_source(dir.file("dataverse.toml"), dir.path()).stores;
    const DataverseReport report = save(true);
    EXPECT_EQ(report.listed, count);
    EXPECT_EQ(report.already, count - broken);
    EXPECT_EQ(report.failed, broken);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::string path = (i % 3 == 0   ? "s3"
                                : i % 3 == 1 ? "ODD_label"
                                             : "file") +
                               ("/10.1/M/f" + std::to_string(i));
      if (i % 20 == 7 || i % 20 == 13) {
        EXPECT_FALSE(has(path)) << path;
      } else {
        EXPECT_EQ(read(path), "content of " + std::to_string(i));
      }
    }
  }
  std::uint64_t broken = 0;
  std::string odd_;
  std::optional<s3::Bucket> bucket_;
};

TEST_F(Many, FilesInThreeStoresAreRightWhereverRunsWereKilled) {
  const char* wanted = std::getenv("BK_DATAVERSE_FILES");
  const int count = wanted == nullptr ? 300 : std::stoi(wanted);
  fill(count);
  describe();
  for (const char* step :
       {"mirror.merging", "dataverse.placed", "dataverse.saved", "mirror.synced", "mirror.data"}) {
    const Captured ran = run_captured(cmd(step), std::chrono::minutes(5));
    EXPECT_EQ(ran.status, 128 + SIGKILL) << step << ": " << ran.err;
  }
  for (const int milliseconds : {10, 30, 60, 100, 200}) {
    Child child = start(cmd(""));
    (void)child.wait_for(std::chrono::milliseconds(milliseconds));
    child.stop(std::chrono::milliseconds(0));
  }
  const Captured last = run_captured(cmd(""), std::chrono::minutes(5));
  EXPECT_EQ(last.status, kExitPartial) << last.err;
  EXPECT_NE(last.out.find(fmt::format("{} files processed; ", count)), std::string::npos) << last.out;
  check_result(static_cast<std::uint64_t>(count));
}

TEST(DataverseConfig, ReadsTheOldConfigIni) {
  const DataverseSource source = parse_dataverse_source(
      "[Database]\nHost: localhost\nPORT: 5433\nDatabase: dvndb\nUsername: dvnapp\nPassword: "
      "xxx\nBackupDatabase: backupdb\n"
      "[Repository]\nFileSystemDirectory: /usr/local/files\n[Backup]\nStorageType: ssh\nSshPort: "
      "22\n[Notifications]\nEmail: a@b\n",
      "config.ini", "/home/b");
  EXPECT_EQ(source.database.host, "localhost");
  EXPECT_EQ(source.database.port, "5433");
  EXPECT_EQ(source.database.database, "dvndb");
  EXPECT_EQ(source.database.user, "dvnapp");
  EXPECT_EQ(source.database.password, "xxx");
  EXPECT_EQ(source.status_database, "backupdb");
  EXPECT_EQ(source.folder, "/usr/local/files");
  EXPECT_THROW((void)parse_dataverse_source("[Database]\nHost: x\n", "config.ini", "/"), Error);
}

TEST(DataverseConfig, RefusesWhatItDoesNotKnow) {
  for (const char* bad :
       {"", "[database]\nname = \"d\"\n",
        "[database]\nname = \"d\"\nuser = \"u\"\n[store.x]\ntype = \"swift\"\n",
        "[database]\nname = \"d\"\nuser = \"u\"\n[store.x]\ntype = \"file\"\n", "filez = \"/x\"\n"})
    EXPECT_THROW((void)parse_dataverse_source(bad, "d.toml", "/home/b"), Error) << bad;
  EXPECT_EQ(
      parse_dataverse_source("files = \"/f\"\n[database]\nname = \"d\"\nuser = \"u\"\n", "d.toml", "/home/b")
          .database.password_file,
      "/home/b/.pgpass");
}

TEST(DataverseStorage, IdentifiersOfEveryFormAreRead) {
  const auto parse = [](const char* text) {
    const std::optional<StoragePlace> place = parse_storage(text);
    return place ? place->label + "|" + place->bucket + "|" + place->name + (place->remote ? "|remote" : "")
                 : "none";
  };
  EXPECT_EQ(parse("18b-50"), "file||18b-50");
  EXPECT_EQ(parse("file://18b-50"), "file||18b-50");
  EXPECT_EQ(parse("s3://bucket:18b-50"), "s3|bucket|18b-50");
  EXPECT_EQ(parse("S3_archive-2://b:18b"), "S3_archive-2|b|18b");
  EXPECT_EQ(parse("globus://18b//host/path"), "globus||18b|remote");
  for (const char* bad : {"", "file://", "file://..", "../x", "a/b", "bad label://x", "..://x"})
    EXPECT_EQ(parse(bad), "none") << bad;
}

}  // namespace
}  // namespace bk::client
