// Rows kept as an older state and its changes are the same rows again, and take little.
#include "client/modules/row_changes.h"

#include "client/request/spool_place.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/process/process.h"
#include "common/restore/whole_rows.h"
#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <sstream>

namespace bk::client {
namespace {

using Rows = std::vector<std::string>;

class RowChangesTest : public ::testing::Test {
 protected:
  ~RowChangesTest() override { (void)::umask(mask_); }

  static Rows rows(int count) {
    Rows out;
    for (int i = 0; i < count; ++i)
      out.push_back(std::to_string(i) + "\t" + std::string(100, static_cast<char>('a' + i % 26)));
    return out;
  }
  static std::string text_of(const Rows& rows) {
    std::string out;
    for (const std::string& row : rows) out += row + "\n";
    return out + "\\.\n\n\n";
  }
  // One run of the cmd; true when it was kept as changes.
  bool dump(const Rows& rows) {
    Spool spool({dir.path(), "main", "", "postgres", "/shop"});
    ensure_directory(spool.folder() + "/dump");
    replace_durably(spool.folder() + "/dump/1.dat", text_of(rows));
    const bool kept = keep_changes(spool, "dump/1.dat", RowForm::Copy);
    data = spool.commit();
    return kept;
  }
  // What a restore gets.
  std::string whole() {
    remove_tree(dir.file("restored"));
    Command copy;
    copy.argv = {"/bin/cp", "-a", data, dir.file("restored")};
    EXPECT_EQ(run_captured(copy, std::chrono::seconds(60), 4096).status, 0);
    (void)make_rows_whole(dir.file("restored"));
    EXPECT_EQ(list_directory(dir.file("restored/dump")), (Rows{"1.dat"}));
    return read_file(dir.file("restored/dump/1.dat"));
  }
  void expect_whole(Rows rows) {
    const std::string text = whole();
    ASSERT_TRUE(text.ends_with("\n\\.\n\n\n"));
    std::istringstream lines(text.substr(0, text.size() - 5));
    Rows found;
    for (std::string line; std::getline(lines, line);) found.push_back(line);
    std::sort(found.begin(), found.end());
    std::sort(rows.begin(), rows.end());
    EXPECT_EQ(found, rows);
  }
  std::size_t size(const std::string& name) const { return read_file(data + "/dump/" + name).size(); }

  test::TempDir dir;
  std::string data;
  mode_t mask_ = ::umask(022);
};

TEST_F(RowChangesTest, RowsChangedHereAndThereAreKeptAsChangesAndComeBack) {
  Rows now = rows(30000);
  EXPECT_FALSE(dump(now));
  const std::string first = read_file(data + "/dump/1.dat");
  for (std::size_t i = 0; i < now.size(); i += 100) now[i] += " changed";
  now.erase(now.begin() + 7777);
  now.insert(now.begin() + 5, "new");
  EXPECT_TRUE(dump(now));
  EXPECT_EQ(list_directory(data + "/dump"),
            (Rows{"1.dat.foot", "1.dat.gone", "1.dat.head", "1.dat.more", "1.dat.rows", "1.dat.sum"}));
  EXPECT_EQ(read_file(data + "/dump/1.dat.rows"), first);
  EXPECT_LT(size("1.dat.gone") + size("1.dat.more"), first.size() / 50);
  expect_whole(now);
}

TEST_F(RowChangesTest, OneRunAfterTheOtherChangesLittleOfWhatWasWritten) {
  Rows now = rows(30000);
  (void)dump(now);
  for (std::size_t i = 0; i < now.size(); i += 100) now[i] += " one";
  ASSERT_TRUE(dump(now));
  const std::string more = read_file(data + "/dump/1.dat.more");
  struct stat base {};
  ASSERT_EQ(::lstat((data + "/dump/1.dat.rows").c_str(), &base), 0);
  for (std::size_t i = 50; i < now.size(); i += 100) now[i] += " two";
  ASSERT_TRUE(dump(now));
  EXPECT_TRUE(read_file(data + "/dump/1.dat.more").starts_with(more));
  struct stat later {};
  ASSERT_EQ(::lstat((data + "/dump/1.dat.rows").c_str(), &later), 0);
  EXPECT_EQ(base.st_ino, later.st_ino);
  expect_whole(now);
  // Nothing changed: nothing is written anew.
  const std::string gone = read_file(data + "/dump/1.dat.gone");
  ASSERT_TRUE(dump(now));
  EXPECT_EQ(read_file(data + "/dump/1.dat.gone"), gone);
  expect_whole(now);
  // Everything as it was at first, in another order.
  now = rows(30000);
  std::reverse(now.begin(), now.end());
  EXPECT_FALSE(dump(now));
  expect_whole(now);
}

TEST_F(RowChangesTest, EqualRowsAreCounted) {
  Rows now = rows(15000);
  now.insert(now.end(), 500, "the same");
  now.insert(now.end(), 3, "");
  (void)dump(now);
  for (std::size_t i = 0; i < 15000; i += 100) now[i] += " changed";
  now.erase(now.end() - 5, now.end());  // two equal rows, three empty ones
  now.insert(now.begin(), 2, "twice");
  ASSERT_TRUE(dump(now));
  expect_whole(now);
}

TEST_F(RowChangesTest, AWholeFileStaysWhereThatCostsLittleOrMuchChanged) {
  Rows now = rows(30000);
  (void)dump(now);
  now.insert(now.end(), 300, "at the end");
  EXPECT_FALSE(dump(now)) << "in one place";
  for (std::size_t i = 0; i < now.size(); i += 4) now[i] += " changed";
  EXPECT_FALSE(dump(now)) << "a quarter of all";
  EXPECT_EQ(list_directory(data + "/dump"), (Rows{"1.dat"}));
  expect_whole(now);
  now.resize(100);
  EXPECT_FALSE(dump(now)) << "small";
  now[5] += "!";
  EXPECT_FALSE(dump(now)) << "small";
}

TEST_F(RowChangesTest, WhenMoreThanAFifthChangedSinceTheOlderStateTheFileIsTheNextOne) {
  Rows now = rows(20000);
  (void)dump(now);
  int whole_ones = 0;
  for (std::size_t run = 0; run < 30; ++run) {
    for (std::size_t i = run; i < now.size(); i += 100)
      now[i] = std::to_string(i) + " run " + std::to_string(run);
    whole_ones += dump(now) ? 0 : 1;
  }
  EXPECT_EQ(whole_ones, 1);
  expect_whole(now);
}

TEST_F(RowChangesTest, AnOlderStateThatWasDamagedOnTheDiskIsFoundOut) {
  Rows now = rows(30000);
  (void)dump(now);
  for (std::size_t i = 0; i < now.size(); i += 100) now[i] += " one";
  ASSERT_TRUE(dump(now));
  std::string bytes = read_file(data + "/dump/1.dat.rows");
  bytes[bytes.size() / 2] ^= 1;
  replace_durably(data + "/dump/1.dat.rows", bytes);
  ASSERT_TRUE(dump(now));
  expect_whole(now);
}

TEST_F(RowChangesTest, WhateverHappensToRowsTheyAreTheSameAfterwards) {
  std::mt19937 random(7);  // NOLINT: the same tables each time
  const auto any = [&](std::size_t below) { return static_cast<std::size_t>(random() % below); };
  Rows now = rows(12000);
  int kept = 0;
  for (int run = 0; run < 12; ++run) {
    for (std::size_t changes = any(600); changes > 0; --changes) {
      const std::size_t at = any(now.size());
      const std::size_t what = any(5);
      if (what == 0) now.erase(now.begin() + static_cast<std::ptrdiff_t>(at));
      if (what == 1) now.insert(now.begin() + static_cast<std::ptrdiff_t>(at), now[any(now.size())]);
      if (what == 2) now[at] = std::string(any(3), 'x');
      if (what == 3) now[at].append(any(2) * 400000, 'y');
      if (what == 4) std::swap(now[at], now[any(now.size())]);
      if (now[at].size() > 1000) now[at].resize(any(40000));
    }
    kept += dump(now) ? 1 : 0;
    expect_whole(now);
  }
  EXPECT_GT(kept, 3);
}

TEST_F(RowChangesTest, MoreRowsThanFitIntoMemoryAreSortedInAFile) {
  Rows now;
  for (int i = 0; i < 130000; ++i) now.push_back(std::to_string(i % 100000) + " of these");
  (void)dump(now);
  for (std::size_t i = 0; i < now.size(); i += 100) now[i] += " changed";
  ASSERT_TRUE(dump(now));
  expect_whole(now);
}

TEST_F(RowChangesTest, AFileThatEndsInTheMiddleOfALineIsLeftAlone) {
  const auto run = [&](const std::string& text) {
    Spool spool({dir.path(), "main", "", "postgres", "/shop"});
    ensure_directory(spool.folder() + "/dump");
    replace_durably(spool.folder() + "/dump/1.dat", text);
    const bool kept = keep_changes(spool, "dump/1.dat", RowForm::Copy);
    data = spool.commit();
    return kept;
  };
  Rows now = rows(30000);
  EXPECT_FALSE(run(text_of(now) + "no end"));
  for (std::size_t i = 0; i < now.size(); i += 100) now[i] += " one";
  EXPECT_FALSE(run(text_of(now)));
  for (std::size_t i = 0; i < now.size(); i += 100) now[i] += " two";
  EXPECT_FALSE(run(text_of(now) + "no end"));
  EXPECT_EQ(list_directory(data + "/dump"), (Rows{"1.dat"}));
}

TEST_F(RowChangesTest, ATableThatIsEmptyOrGoneLeavesNothingBehind) {
  Rows now = rows(30000);
  (void)dump(now);
  for (std::size_t i = 0; i < now.size(); i += 100) now[i] += " one";
  ASSERT_TRUE(dump(now));
  EXPECT_FALSE(dump({}));
  EXPECT_EQ(list_directory(data + "/dump"), (Rows{"1.dat"}));
  EXPECT_FALSE(dump(now));
  for (std::size_t i = 0; i < now.size(); i += 100) now[i] += " two";
  ASSERT_TRUE(dump(now));
  Spool spool({dir.path(), "main", "", "postgres", "/shop"});
  ensure_directory(spool.folder() + "/dump");
  EXPECT_EQ(list_directory(spool.commit() + "/dump"), Rows{});
}

TEST_F(RowChangesTest, AMixThatACrashLeftIsNoHarm) {
  Rows now = rows(30000);
  (void)dump(now);
  for (std::size_t i = 0; i < now.size(); i += 100) now[i] += " one";
  ASSERT_TRUE(dump(now));
  for (std::size_t i = 7; i < now.size(); i += 100) now[i] += " two";
  // The merge was cut: parts of another dump, and a whole file beside them.
  std::filesystem::rename(data, data.substr(0, data.rfind('/')) + "/merging");
  const std::string mix = data.substr(0, data.rfind('/')) + "/merging/dump/";
  replace_durably(mix + "1.dat", text_of(now));
  replace_durably(mix + "1.dat.more", "neither this\nnor that");
  replace_durably(mix + "1.dat.gone", "9\n");
  ASSERT_TRUE(dump(now));
  expect_whole(now);
  for (const char* part : {"more", "gone", "sum"}) std::filesystem::remove(data + "/dump/1.dat." + part);
  ASSERT_TRUE(dump(now));
  expect_whole(now);
}

// What SqlSplit writes of a table.
std::string statements(const Rows& rows, const std::string& structure, int in_a_statement) {
  std::string out = "CREATE TABLE `t` (" + structure + ");\n(not a row);\n";
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const bool begins = i % static_cast<std::size_t>(in_a_statement) == 0;
    const bool ends = (i + 1) % static_cast<std::size_t>(in_a_statement) == 0 || i + 1 == rows.size();
    out += (begins ? "INSERT INTO `t` VALUES \n(" : "(") + rows[i] + (ends ? ");\n" : "),\n");
  }
  return out + "DELIMITER ;;\nCREATE TRIGGER\nINSERT INTO `t` VALUES \n(1),\nEND;;\n";
}

TEST_F(RowChangesTest, StatementsAreMadeAnewAroundTheRowsThatAreThere) {
  Rows now = rows(30000);
  const auto run = [&](const std::string& text) {
    Spool spool({dir.path(), "main", "", "mysql", "/shop"});
    replace_durably(spool.folder() + "/2-t.sql", text);
    const bool kept = keep_changes(spool, "2-t.sql", RowForm::Insert);
    data = spool.commit();
    return kept;
  };
  EXPECT_FALSE(run(statements(now, "a", 64)));
  for (std::size_t i = 0; i < now.size(); i += 100) now[i] += " changed;,";
  now.erase(now.begin() + 40);
  // Statements end elsewhere, the structure is another one: the same rows all the same.
  const std::string text = statements(now, "a, b", 50);
  ASSERT_TRUE(run(text));
  remove_tree(dir.file("restored"));
  ASSERT_TRUE(std::filesystem::exists(data));
  std::filesystem::copy(data, dir.file("restored"), std::filesystem::copy_options::recursive);
  replace_durably(dir.file("restored") + "/" + kNotWhole, "x");
  EXPECT_EQ(make_rows_whole(dir.file("restored")), 1U);
  EXPECT_EQ(list_directory(dir.file("restored")), (Rows{"2-t.sql"}));
  const std::string made = read_file(dir.file("restored/2-t.sql"));
  const auto sorted = [](const std::string& all) {
    std::istringstream lines(all);
    Rows out;
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("(") && line.find('\t') != std::string::npos)
        out.push_back(line.substr(0, line.size() - 1));
    }
    std::sort(out.begin(), out.end());
    return out;
  };
  EXPECT_EQ(sorted(made), sorted(text));
  EXPECT_TRUE(made.starts_with("CREATE TABLE `t` (a, b);\n(not a row);\nINSERT INTO `t` VALUES \n("));
  EXPECT_TRUE(made.ends_with(");\nDELIMITER ;;\nCREATE TRIGGER\nINSERT INTO `t` VALUES \n(1),\nEND;;\n"));
  // Every statement is one: begun once, ended once.
  std::istringstream lines(made.substr(0, made.find("DELIMITER")));
  bool inside = false;
  std::string line;
  std::getline(lines, line);
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    ASSERT_EQ(line == "INSERT INTO `t` VALUES ", !inside) << line;
    inside = !line.ends_with(";") || line == "INSERT INTO `t` VALUES ";
  }
  EXPECT_FALSE(inside);
}

TEST_F(RowChangesTest, WhatDoesNotBelongTogetherIsNotMadeWhole) {
  Rows now = rows(30000);
  (void)dump(now);
  for (std::size_t i = 0; i < now.size(); i += 100) now[i] += " one";
  ASSERT_TRUE(dump(now));
  const auto fails = [&](const std::string& part, const std::string& bytes) {
    const std::string path = data + "/dump/1.dat." + part;
    const std::string before = read_file(path);
    replace_durably(path, bytes);
    EXPECT_THROW((void)make_rows_whole(data), Error) << part;
    EXPECT_FALSE(path_exists(data + "/dump/1.dat"));
    replace_durably(path, before);
  };
  fails("gone", "1\n3\n2\n");
  fails("gone", "1\nx\n");
  fails("gone", "99999999\n");
  fails("rows", "one\n");
  fails("more", "cut");
  fails("more", read_file(data + "/dump/1.dat.more") + "one more\n");
  fails("foot", "\\.\n");
  fails("head", "no newline");
  fails("head", std::string(5000, 'x') + "\n");
  fails("sum", "\n");
  std::string bytes = read_file(data + "/dump/1.dat.rows");
  bytes[bytes.find('\n') + 5] ^= 1;
  fails("rows", bytes);
  // Whichever is missing, of a dump that says that it is not whole: it goes on saying so.
  replace_durably(data + "/" + kNotWhole, "x");
  for (const char* part : {"rows", "gone", "more", "head", "foot", "sum"}) {
    const std::string path = data + "/dump/1.dat." + part;
    std::filesystem::rename(path, dir.file("away"));
    EXPECT_THROW((void)make_rows_whole(data), Error) << part;
    EXPECT_TRUE(path_exists(data + "/" + kNotWhole));
    std::filesystem::rename(dir.file("away"), path);
  }
  EXPECT_EQ(make_rows_whole(data), 1U);
  EXPECT_EQ(make_rows_whole(data), 0U);
  EXPECT_THROW((void)make_rows_whole(data + "/absent"), Error);
}

}  // namespace
}  // namespace bk::client
