// A site in the spool, whatever symlinks it is made of.
#include "client/modules/site_dump.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/sqlite/sqlite.h"
#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace bk::client {
namespace {

// A Trac environment in site/, with its database at db/trac.db.
class SiteDump : public ::testing::Test {
 protected:
  SiteDump() {
    for (const char* folder : {"site/conf", "elsewhere", "home"}) ensure_directory(dir_.file(folder));
    replace_durably(dir_.file("site/conf/trac.ini"), "[trac]\ndatabase = sqlite:db/trac.db\n");
    module_.values["lock_wait"] = {"2"};
  }
  ~SiteDump() override { (void)::umask(mask_); }

  void link(const std::string& to, const std::string& name) const {
    ASSERT_EQ(::symlink(to.c_str(), dir_.file(name).c_str()), 0);
  }
  void database(const std::string& name) const {
    sqlite::Database db(dir_.file(name));
    db.execute("PRAGMA journal_mode=DELETE");  // nothing appears beside it
    db.execute("CREATE TABLE t (id INTEGER)");
  }
  [[nodiscard]] std::string dump() const {
    Spool spool({dir_.file("home"), "main", "", "trac", dir_.file("site")});
    const std::vector<std::string> skipped =
        dump_site("trac", read_site("trac", dir_.file("site")), module_, dir_.file("home"), spool);
    EXPECT_EQ(skipped, std::vector<std::string>{});
    return spool.commit(Spool::Times::Matter);
  }
  static bool is_file(const std::string& path) {
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
  }

  mode_t mask_ = ::umask(022);
  test::TempDir dir_;
  ModuleConfig module_;
};

TEST_F(SiteDump, ADatabaseWhoseFolderIsASymlinkOutOfTheSiteIsSavedBesideIt) {
  link(dir_.file("elsewhere"), "site/db");
  database("elsewhere/trac.db");
  const std::string data = dump();
  EXPECT_TRUE(is_file(data + "/database/trac.db"));
  EXPECT_EQ(list_directory(dir_.file("elsewhere")), std::vector<std::string>{"trac.db"});
}

TEST_F(SiteDump, ADatabaseWhoseFolderIsASymlinkWithinTheSiteIsAtItsPlace) {
  ensure_directory(dir_.file("site/data"));
  link("data", "site/db");
  database("site/data/trac.db");
  const std::string data = dump();
  EXPECT_TRUE(is_file(data + "/site/data/trac.db"));
  EXPECT_FALSE(path_exists(data + "/database"));
}

TEST_F(SiteDump, SettingsWhoseFolderIsASymlinkAreSaved) {
  ensure_directory(dir_.file("site/db"));
  database("site/db/trac.db");
  replace_durably(dir_.file("elsewhere/trac.ini"), "[trac]\ndatabase = sqlite:db/trac.db\n");
  remove_tree(dir_.file("site/conf"));
  link(dir_.file("elsewhere"), "site/conf");
  const std::string data = dump();
  EXPECT_TRUE(is_file(data + "/linked/conf/trac.ini"));
  EXPECT_TRUE(is_file(data + "/site/db/trac.db"));
}

}  // namespace
}  // namespace bk::client
