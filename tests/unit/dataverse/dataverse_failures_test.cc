// What a database that refuses, or ends, does to a run; and the old script's status table.
#include "tests/unit/dataverse/dataverse_world.h"

namespace bk::client {
namespace {

// What keeps the database from being read: never a success, a word on what to do, and the next run goes on.
TEST_F(Dataverse, EachWayThatTheDatabaseFailsSaysWhatToDo) {
  put("10.1/A/f", "f");
  (void)row(dataset("10.1", "A"), "f", "f");
  (void)save();
  const DataverseSource good = source;
  const auto expect = [&](const char* words, const char* advice) {
    const std::string said = failure();
    EXPECT_NE(said.find(words), std::string::npos) << said;
    EXPECT_NE(said.find(advice), std::string::npos) << said;
    source = good;
    EXPECT_EQ(save().text(), "1 files processed; 1 skipped (already backed up), 0 success, 0 failed");
  };
  source.database.host = dir.file("nowhere");
  expect("No such file or directory",
         "is the database server running? host and port stand in \"dataverse.toml\"");
  source.database.host = "127.0.0.1";
  source.database.port = "1";
  expect("Connection refused", "is the database server running?");
  servers().postgres.execute("postgres", "CREATE ROLE w" + name + " LOGIN PASSWORD 'right'");
  source.database.user = "w" + name;
  source.database.password = "wrong";
  expect("password authentication failed", "check user and password, in \"dataverse.toml\"");
  source.database.user = "w" + name;
  source.database.password = "right";
  expect("permission denied",
         "GRANT SELECT ON dvobject, dataset, datafile, datatable, alternativepersistentidentifier TO");
  source.database.database = "absent";
  expect("does not exist", "check the database's name in \"dataverse.toml\"");
}

TEST_F(Dataverse, ATableThatIsLockedIsGivenUpInTime) {
  put("10.1/A/f", "f");
  (void)row(dataset("10.1", "A"), "f", "f");
  postgres::Connection holder(source.database);
  holder.execute("BEGIN");
  holder.execute("LOCK TABLE dvobject IN ACCESS EXCLUSIVE MODE");
  source.database.lock_limit = std::chrono::seconds(1);
  const std::string said = failure();
  EXPECT_NE(said.find("lock timeout"), std::string::npos) << said;
  EXPECT_NE(said.find("somebody holds a table locked"), std::string::npos) << said;
  holder.execute("COMMIT");
  EXPECT_EQ(save().succeeded, 1U);
}

// 3,000 files are three pages; the server ends the connection behind the first.
TEST_F(Dataverse, AServerThatEndsInTheMiddleIsAFailureAndWhatWasSavedIsGoneOnWith) {
  const int owner = dataset("10.1", "A");
  run_sql(fmt::format(
      "WITH f AS (INSERT INTO dvobject (dtype, owner_id, storageidentifier, createdate) SELECT 'DataFile', "
      "{}, "
      "'f' || i, now() FROM generate_series(0, 2999) i RETURNING id) INSERT INTO datafile (id, checksumtype, "
      "checksumvalue, filesize) SELECT id, 'MD5', md5('x'), 1 FROM f",
      owner));
  for (int i = 0; i < 3000; ++i) {
    ensure_directory(source.folder + "/10.1/A");
    const Fd fd = open_file(source.folder + "/10.1/A/f" + std::to_string(i), O_WRONLY | O_CREAT);
    write_all(fd.get(), "x");
  }
  // A row whose reading ends its own connection.
  run_sql("ALTER TABLE datafile RENAME TO datafile_kept");
  run_sql(
      "CREATE VIEW datafile AS SELECT id, checksumtype, checksumvalue, CASE WHEN row_number() OVER (ORDER BY "
      "id) = 2500 AND "
      "pg_terminate_backend(pg_backend_pid()) THEN filesize ELSE filesize END AS filesize FROM "
      "datafile_kept");
  const std::string said = failure();
  EXPECT_NE(said.find("; the server ended, or cut the connection; it is tried again"), std::string::npos)
      << said;
  run_sql("DROP VIEW datafile");
  run_sql("ALTER TABLE datafile_kept RENAME TO datafile");
  const DataverseReport report = save();
  EXPECT_GE(report.already, 1000U);
  EXPECT_EQ(report.already + report.succeeded, 3000U);
}

TEST_F(Dataverse, TheOldTableSaysTheSameWhereverARunWasCut) {
  servers().postgres.execute("postgres", "CREATE DATABASE status" + name);
  const std::string status = "status" + name;
  source.status_database = status;
  put("10.1/A/f", "f");
  const int owner = dataset("10.1", "A");
  (void)row(owner, "f", "f", "MD5", "2020-01-05 06:07:08.9");
  const std::string said = failure();
  EXPECT_NE(said.find("the old script's backupdb.sql makes that table"), std::string::npos) << said;
  servers().postgres.execute(status, kOldStatus);
  EXPECT_EQ(save().succeeded, 1U);
  const auto row_of = [&](const std::string& storage) {
    return servers().postgres.value(
        status,
        "SELECT datasetidentifier || ' ' || status || ' ' || createdate || ' ' || lastbackupmethod || ' ' || "
        "(lastbackuptime > now() - interval '1 day') FROM datafilestatus WHERE storageidentifier = '" +
            storage + "'");
  };
  EXPECT_EQ(row_of("f"), "10.1/A OK 2020-01-05 06:07:08.9 backline true");
  // A table that was made anew, or lost its rows in a cut, is filled by --rerun.
  servers().postgres.execute(status, "DELETE FROM datafilestatus");
  EXPECT_EQ(save().already, 1U);
  EXPECT_EQ(servers().postgres.value(status, "SELECT count(*) FROM datafilestatus"), "0");
  EXPECT_EQ(save(true).already, 1U);
  EXPECT_EQ(row_of("f"), "10.1/A OK 2020-01-05 06:07:08.9 backline true");
  (void)row(owner, "late", "late");
  EXPECT_EQ(save().failed, 1U);
  EXPECT_EQ(row_of("late").substr(0, 17), "10.1/A FAIL_READ ");
  put("10.1/A/late", "late");
  EXPECT_EQ(save().succeeded, 1U);
  EXPECT_EQ(row_of("late").substr(0, 10), "10.1/A OK ");
}

}  // namespace
}  // namespace bk::client
