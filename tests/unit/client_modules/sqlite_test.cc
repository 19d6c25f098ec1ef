// Live databases with a writer that never rests, in both journal modes.
#include "client/modules/sqlite.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/sqlite/online_copy.h"
#include "common/sqlite/sqlite.h"
#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace bk::client {
namespace {

using namespace std::chrono_literals;

std::int64_t number(const std::string& path, const std::string& sql) {
  sqlite::Database db(path);
  sqlite::Statement query = db.prepare(sql);
  EXPECT_TRUE(query.step());
  return query.number(0);
}

// Accounts whose sum never changes outside of a transaction, and a log of all transfers.
void make_bank(const std::string& path, const std::string& journal) {
  sqlite::Database db(path);
  db.execute("PRAGMA journal_mode=" + journal);
  db.execute("PRAGMA synchronous=OFF");
  db.execute("CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER, filler BLOB)");
  db.execute("CREATE TABLE transfer (id INTEGER PRIMARY KEY, note TEXT)");
  db.execute(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO account "
      "SELECT "
      "i, 1000, randomblob(500) FROM n");
}

class LiveSqlite : public ::testing::TestWithParam<const char*> {};

TEST_P(LiveSqlite, EachCopyHoldsAllThatWasCommittedBeforeItBegan) {
  const test::TempDir dir(test::TempDir::fast());
  const std::string path = dir.file("bank.sqlite");
  make_bank(path, GetParam());
  std::atomic<std::int64_t> committed{0};
  std::jthread writer([&](const std::stop_token& stop) {
    sqlite::Database db(path);
    db.execute(std::string("PRAGMA journal_mode=") + GetParam());
    db.execute("PRAGMA synchronous=OFF");
    db.execute("PRAGMA cache_size=10");  // pages spill into the file in mid-transaction
    for (std::int64_t n = 1; !stop.stop_requested(); ++n) {
      db.transaction([&] {
        db.execute("UPDATE account SET balance = balance - 7 WHERE id = " + std::to_string(1 + n % 500));
        db.execute("UPDATE account SET filler = randomblob(500) WHERE id % 50 = " + std::to_string(n % 50));
        db.execute("UPDATE account SET balance = balance + 7 WHERE id = " +
                   std::to_string(1 + (n * 7) % 500));
        db.execute("INSERT INTO transfer VALUES (" + std::to_string(n) + ", 'x')");
      });
      committed = n;
    }
  });
  for (int i = 0; i < 10; ++i) {
    while (committed < 5 * (i + 1)) std::this_thread::sleep_for(1ms);
    const std::string copy = dir.file("copy" + std::to_string(i));
    const std::int64_t before = committed;
    sqlite::copy_database(path, copy, 60s);
    EXPECT_EQ(sqlite::check_database(copy), std::vector<std::string>{});
    EXPECT_FALSE(path_exists(copy + "-wal"));
    EXPECT_EQ(number(copy, "SELECT SUM(balance) FROM account"), 500000);
    EXPECT_GE(number(copy, "SELECT COUNT(*) FROM transfer"), before);
  }
}

INSTANTIATE_TEST_SUITE_P(Journals, LiveSqlite, ::testing::Values("WAL", "DELETE"));

TEST(SqliteModule, WhatNobodyWritesIsCopiedAndWhatIsNoDatabaseIsRefused) {
  const test::TempDir dir;
  make_bank(dir.file("a?b%20c.db"), "DELETE");
  sqlite::copy_database(dir.file("a?b%20c.db"), dir.file("copy"), 1s);
  sqlite::copy_database(dir.file("a?b%20c.db"), dir.file("again"), 1s);
  EXPECT_TRUE(read_file(dir.file("copy")) == read_file(dir.file("again"))) << "a copy that is not kept";
  EXPECT_EQ(sqlite::check_database(dir.file("a?b%20c.db")), std::vector<std::string>{});
  replace_durably(dir.file("text"), std::string(5000, 'x'));
  EXPECT_THROW(sqlite::copy_database(dir.file("text"), dir.file("copy2"), 1s), Error);
  EXPECT_THROW(sqlite::copy_database(dir.file("absent"), dir.file("copy3"), 1s), Error);
  EXPECT_FALSE(path_exists(dir.file("absent")));
}

TEST(SqliteModule, ADamagedDatabaseIsNoBackup) {
  const test::TempDir dir;
  const std::string path = dir.file("bank");
  make_bank(path, "DELETE");
  std::string bytes = read_file(path);
  for (std::size_t i = 20000; i < 28000; ++i) bytes[i] = static_cast<char>(i * 31);
  replace_durably(path, bytes);
  ModuleConfig module;
  module.values["lock_wait"] = {"1"};
  ensure_directory(dir.file("out"));
  try {
    dump_sqlite(module, path, dir.file("out"));
    FAIL() << "a damaged database was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Corrupt) << error.what();
  }
}

TEST(SqliteModule, AWriterThatNeverLetsGoIsAFailureAfterTheTimeLimit) {
  const test::TempDir dir;
  make_bank(dir.file("bank"), "DELETE");
  sqlite::Database writer(dir.file("bank"));
  writer.execute("PRAGMA journal_mode=DELETE");
  writer.execute("BEGIN EXCLUSIVE");
  try {
    sqlite::copy_database(dir.file("bank"), dir.file("copy"), 100ms);
    FAIL() << "a locked database was read";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Transient) << error.what();
  }
}

TEST(SqliteModule, PathsAndPatternsFindDatabasesOnly) {
  const test::TempDir dir;
  make_bank(dir.file("a.sqlite"), "DELETE");
  make_bank(dir.file("b.sqlite"), "DELETE");
  make_bank(dir.file("[c].sqlite"), "DELETE");
  replace_durably(dir.file("text.sqlite"), "no database");
  ModuleConfig module;
  module.paths = {dir.file("*.sqlite"), dir.file("a.sqlite"), dir.file("[c].sqlite")};
  FoundDatabases found = find_sqlite(module);
  EXPECT_EQ(found.paths,
            (std::vector<std::string>{dir.file("[c].sqlite"), dir.file("a.sqlite"), dir.file("b.sqlite")}));
  EXPECT_TRUE(found.problems.empty());
  module.paths = {dir.file("text.sqlite"), dir.file("absent"), dir.file("*.none")};
  found = find_sqlite(module);
  EXPECT_TRUE(found.paths.empty());
  EXPECT_EQ(found.problems.size(), 3U);
}

}  // namespace
}  // namespace bk::client
