#include "server/catalog/catalog.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/sqlite/sqlite.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

namespace bk::server {
namespace {

class CatalogTest : public testing::Test {
 protected:
  CatalogTest() : folder_(testing::TempDir() + "bk-catalog-XXXXXX") {
    if (::mkdtemp(folder_.data()) == nullptr) ADD_FAILURE() << folder_;
  }
  ~CatalogTest() override { remove_tree(folder_); }
  [[nodiscard]] std::string path() const { return folder_ + "/catalog.db"; }
  std::string folder_;
};

CatalogSnapshot snapshot(const std::string& id, std::uint64_t sequence, const std::string& client = "web1") {
  return {id,       client, "directories", "rsync", std::string("/srv/\xff\0x", 8),
          sequence, 10,     UINT64_MAX,    2,       {1700000000, 999'999'999},
          {-5, 1}};
}

TEST_F(CatalogTest, RowsComeBackExactly) {
  Catalog(path()).add(snapshot("a", 1));
  EXPECT_EQ(Catalog(path()).list(), std::vector{snapshot("a", 1)});
}

TEST_F(CatalogTest, AddingTheSameIdAgainChangesNothing) {
  Catalog catalog(path());
  catalog.add(snapshot("a", 1));
  catalog.add(snapshot("a", 1));
  EXPECT_EQ(catalog.size(), 1U);
}

TEST_F(CatalogTest, ListIsSortedBySourceAndSequenceAndNarrowsToAClient) {
  Catalog catalog(path());
  catalog.add(snapshot("c", 2));
  catalog.add(snapshot("b", 1));
  catalog.add(snapshot("a", 1, "other"));
  ASSERT_EQ(catalog.list().size(), 3U);
  EXPECT_EQ(catalog.list()[0].id, "a");
  EXPECT_EQ(catalog.list("web1")[0].id, "b");
  EXPECT_EQ(catalog.list("web1").size(), 2U);
  EXPECT_TRUE(catalog.list("nobody").empty());
}

TEST_F(CatalogTest, ReplaceAllLeavesExactlyTheGiven) {
  Catalog catalog(path());
  catalog.add(snapshot("old", 1));
  catalog.replace_all({snapshot("new", 1)});
  EXPECT_EQ(catalog.list(), std::vector{snapshot("new", 1)});
}

TEST_F(CatalogTest, GarbageIsSetAsideAndSaidSo) {
  replace_durably(path(), std::string(20000, 'x'));
  Catalog catalog(path());
  EXPECT_TRUE(catalog.was_damaged());
  EXPECT_EQ(catalog.size(), 0U);
  const auto names = list_directory(folder_);
  EXPECT_TRUE(std::any_of(names.begin(), names.end(),
                          [](const std::string& n) { return n.starts_with("catalog.db.damaged-"); }));
}

TEST_F(CatalogTest, DamagedPageIsSetAside) {
  {
    Catalog catalog(path());
    std::vector<CatalogSnapshot> rows;
    for (int i = 0; i < 2000; ++i) rows.push_back(snapshot("id" + std::to_string(i), 1));
    catalog.replace_all(rows);
  }
  std::string bytes = read_file(path());
  ASSERT_GT(bytes.size(), 40000U);
  for (std::size_t at = 4096; at < 40000; ++at) bytes[at] = static_cast<char>(0x5a);
  replace_durably(path(), bytes);
  EXPECT_TRUE(Catalog(path()).was_damaged());
  EXPECT_FALSE(Catalog(path()).was_damaged());
}

TEST_F(CatalogTest, NewerVersionIsRefusedAndKept) {
  { Catalog catalog(path()); }
  sqlite::Database(path()).execute("PRAGMA user_version=99");
  try {
    Catalog catalog(path());
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Config);
  }
  EXPECT_TRUE(path_exists(path()));
}

TEST_F(CatalogTest, FileIsReadableByItsOwnerOnly) {
  { Catalog catalog(path()); }
  struct stat st {};
  ASSERT_EQ(::stat(path().c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777U, 0600U);
}

TEST_F(CatalogTest, KillBeforeCommitLeavesTheOldRows) {
  Catalog(path()).add(snapshot("old", 1));
  const pid_t child = ::fork();
  if (child == 0) {
    ::setenv("BACKLINE_CRASH_AT", "catalog.before_commit", 1);
    Catalog(path()).replace_all({snapshot("new", 1), snapshot("newer", 2)});
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  Catalog catalog(path());
  EXPECT_FALSE(catalog.was_damaged());
  EXPECT_EQ(catalog.list(), std::vector{snapshot("old", 1)});
}

TEST_F(CatalogTest, KillAfterCommitLeavesTheNewRows) {
  Catalog(path()).add(snapshot("old", 1));
  const pid_t child = ::fork();
  if (child == 0) {
    ::setenv("BACKLINE_CRASH_AT", "catalog.replace_all", 1);
    Catalog(path()).replace_all({snapshot("new", 1)});
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(Catalog(path()).list(), std::vector{snapshot("new", 1)});
}

}  // namespace
}  // namespace bk::server
