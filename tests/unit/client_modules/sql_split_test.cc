// A dump cut into files is the same dump again.
#include "client/modules/sql_split.h"

#include "client/modules/database.h"
#include "client/modules/mysql.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>

namespace bk::client {
namespace {

constexpr std::string_view kHead = "-- MariaDB dump\n/*!40101 SET NAMES utf8mb4 */;\n";
constexpr std::string_view kTail = "\n--\n-- Dumping routines for database 'd'\n--\n-- Dump completed\n";

std::string table(const std::string& name, const std::string& rows) {
  return "\n--\n-- Table structure for table `" + name + "`\n--\n\nCREATE TABLE `" + name +
         "` (\n  `a` int\n);\n" + rows;
}

class SqlSplitTest : public ::testing::Test {
 protected:
  void split(std::string_view dump, std::size_t piece) {
    remove_tree(dir.file("out"));
    ensure_directory(dir.file("out"));
    SqlSplit splitter(dir.file("out"));
    for (std::size_t at = 0; at < dump.size(); at += piece) splitter.add(dump.substr(at, piece));
    splitter.finish();
    rows = splitter.rows();
  }
  std::string file(const std::string& name) const { return read_file(dir.file("out/" + name)); }
  std::string all() const {
    std::string out;
    for (const std::string& name : list_directory(dir.file("out"))) out += file(name);
    return out;
  }
  test::TempDir dir;
  std::uint64_t rows = 0;
};

TEST_F(SqlSplitTest, EachTableHasItsFileAndTheOrderOfNamesIsTheDump) {
  const std::string dump = std::string(kHead) + table("b", "INSERT INTO `b` VALUES (1,'x;\\n');\n") +
                           table("odd/ü`` VALUES (", "") + std::string(kTail);
  for (const std::size_t piece : {1UL, 3UL, 64UL, dump.size()}) {
    split(dump, piece);
    EXPECT_EQ(list_directory(dir.file("out")),
              (std::vector<std::string>{"1-begin.sql", "2-b.sql", "2-odd%2f%c3%bc%60%60%20VALUES%20%28.sql",
                                        "3-end.sql"}));
    EXPECT_NE(file("2-b.sql").find("INSERT INTO `b` VALUES \n(1,'x;\\n');\n"), std::string::npos);
    EXPECT_EQ(rows, 1U);
    EXPECT_TRUE(all().ends_with("-- Dump completed\n"));
  }
}

TEST_F(SqlSplitTest, RowsShareStatementsWhoseEndsAChangedRowDoesNotMove) {
  const auto dump = [](int changed) {
    std::string out;
    for (int i = 0; i < 5000; ++i)
      out += "INSERT INTO `t` (`a`, `b VALUES (`) VALUES (" + std::to_string(i) + ",'" +
             (i == changed ? "a longer text than before" : "text") + "');\n";
    return std::string(kHead) + table("t", out) + std::string(kTail);
  };
  split(dump(-1), 1000);
  const std::string before = file("2-t.sql");
  EXPECT_EQ(rows, 5000U);
  split(dump(2500), 1000);
  const std::string after = file("2-t.sql");
  const std::size_t statements = [&] {
    std::size_t n = 0;
    for (std::size_t at = 0; (at = before.find("INSERT INTO", at)) != std::string::npos; ++at) ++n;
    return n;
  }();
  EXPECT_GT(statements, 20U);
  EXPECT_LT(statements, 500U);
  // Equal but for the one line and, at most, the end of its own statement.
  std::size_t head = 0;
  while (before[head] == after[head]) ++head;
  std::size_t tail = 0;
  while (before[before.size() - 1 - tail] == after[after.size() - 1 - tail]) ++tail;
  EXPECT_LT(after.size() - head - tail, 200U);
}

TEST_F(SqlSplitTest, ARowLongerThanAnyBufferPasses) {
  const std::string row = "(1,0x" + std::string(5U << 20U, 'A') + ")";
  split(std::string(kHead) +
            table("t", "INSERT INTO `t` VALUES " + row + ";\nINSERT INTO `t` VALUES (2,NULL);\n") +
            std::string(kTail),
        100000);
  EXPECT_NE(file("2-t.sql").find("INSERT INTO `t` VALUES \n" + row), std::string::npos);
  EXPECT_NE(file("2-t.sql").find("(2,NULL);\n"), std::string::npos);
  EXPECT_EQ(rows, 2U);
}

TEST_F(SqlSplitTest, WhatATriggerSaysCutsNothing) {
  const std::string trigger =
      "DELIMITER ;;\nCREATE TRIGGER x BEGIN\n--\n-- Table structure for table `trap`\n--\nEND ;;\nDELIMITER "
      ";\n";
  split(std::string(kHead) + table("t", trigger) + std::string(kTail), 10);
  EXPECT_EQ(list_directory(dir.file("out")).size(), 3U);
  EXPECT_NE(file("2-t.sql").find(trigger), std::string::npos);
}

TEST_F(SqlSplitTest, ADumpWithoutItsLastLineWasCut) {
  EXPECT_THROW(split(std::string(kHead) + table("t", "INSERT INTO `t` VALUES (1);\n"), 10), Error);
  EXPECT_THROW(split("", 10), Error);
}

TEST(DatabaseNames, EveryNameIsAPathAndComesBack) {
  for (const std::string name : {"shop", "a/b", "@accounts", ".", "..", "ü", "100%", "a b\n", "x.y"}) {
    const std::string source = source_of_database(name);
    EXPECT_EQ(database_of_source(source), name);
    EXPECT_EQ(source.find('/', 1), std::string::npos);
    EXPECT_NE(source, kAccountsSource);
  }
  for (const std::string bad : {"/", "/a%zz", "/a%", "/a/b", "/%61", "/../x"})
    EXPECT_THROW((void)database_of_source(bad), Error) << bad;
}

}  // namespace
}  // namespace bk::client
