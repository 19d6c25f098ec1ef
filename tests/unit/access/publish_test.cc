// git-daemon-export-ok, description, gitweb.owner and projects.list of real repositories on disk.
#include "server/access/publish.h"

#include "common/io/file.h"
#include "server/access/home.h"
#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace bk::server {
namespace {

class Publish : public ::testing::Test {
 protected:
  [[nodiscard]] std::string home() const { return dir_.path(); }
  [[nodiscard]] std::string repository(const std::string& name) const {
    return home() + "/repositories/" + name + ".git";
  }
  void make(const std::string& name) { ensure_directory(repository(name), 0755); }
  // Puts the file in force.
  void use(const std::string& text) {
    ensure_directory(parent_of(accepted_file(home(), "tip")));
    replace_durably(accepted_file(home(), "gitosis.conf"), text);
    replace_durably(accepted_file(home(), "tip"), std::to_string(++version_) + "\n");
    EXPECT_EQ(publish_all(home()), std::vector<std::string>());
  }
  [[nodiscard]] bool exported(const std::string& name) const {
    return path_exists(repository(name) + "/git-daemon-export-ok");
  }
  [[nodiscard]] std::string projects() const {
    return try_read_file(home() + "/gitosis/projects.list").value_or("missing");
  }

 private:
  test::TempDir dir_;
  int version_ = 0;
};

TEST_F(Publish, ARepositoryIsExportedWhenItsSectionSaysSo) {
  make("foo");
  make("foo/bar");  // a folder "foo" beside "foo.git"
  make("quiet");
  use("[repo foo]\ndaemon = yes\n[repo foo/bar]\ndaemon = On\n[repo quiet]\ndaemon = no\n");
  EXPECT_TRUE(exported("foo"));
  EXPECT_TRUE(exported("foo/bar"));
  EXPECT_FALSE(exported("quiet"));
}

TEST_F(Publish, WhatIsWithdrawnIsWithdrawnAlsoWhenTheFileNoLongerNamesIt) {
  make("foo");
  make("bar");
  use("repo foo\n\tR = daemon\nrepo bar\n\tR = daemon\n");
  EXPECT_TRUE(exported("foo") && exported("bar"));
  use("repo foo\n\tR = ann\n");
  EXPECT_FALSE(exported("foo"));
  EXPECT_FALSE(exported("bar"));
}

TEST_F(Publish, TheDefaultOfAllHoldsForTheRestButNotForTheAdministratorsRepository) {
  make("foo");
  make("bar");
  make("gitosis-admin");
  use("[gitosis]\ndaemon = yes\n[repo foo]\ndaemon = no\n");
  EXPECT_FALSE(exported("foo"));
  EXPECT_TRUE(exported("bar"));
  EXPECT_FALSE(exported("gitosis-admin"));
}

TEST_F(Publish, APatternPublishesWhatItMatches) {
  make("team/a");
  make("teams");
  use("[repo team]\npath = team/.*\ndaemon = yes\ngitweb = yes\n");
  EXPECT_TRUE(exported("team/a"));
  EXPECT_FALSE(exported("teams"));
  EXPECT_EQ(projects(), "team%2Fa.git\n");
}

TEST_F(Publish, ADescriptionIsWrittenOnlyWhereOneIsSet) {
  make("foo");
  make("bar");
  replace_durably(repository("foo") + "/description", "i was here first\n");
  use("[repo foo]\n[repo bar]\ndescription = blah blah\n[repo missing]\ndescription = x\n");
  EXPECT_EQ(read_file(repository("foo") + "/description"), "i was here first\n");
  EXPECT_EQ(read_file(repository("bar") + "/description"), "blah blah\n");
  EXPECT_FALSE(path_exists(repository("missing")));
}

TEST_F(Publish, AProjectsListOfIniHasOwnersAndTheFilesOrder) {
  make("foo");
  use("[repo z/y]\ngitweb = yes\nowner = John D\xc3\xb6\n[repo foo]\ngitweb = yes\n[repo no]\ngitweb = no\n");
  EXPECT_EQ(projects(), "z%2Fy John+D%C3%B6\nfoo.git\n");
}

TEST_F(Publish, ThatOfTheLaterGrammarHasWhatIsOnDiskAndNoLastNewline) {
  make("b");
  make("a/x");
  make("hidden");
  replace_durably(repository("b") + "/config", "[core]\n\tbare = true\n");
  use("repo b\n\tR = gitweb ann\n\towner = John \"Q\" Doe\nrepo a\n\tpath_regex = a/.*\n\tR = gitweb\nrepo "
      "gone\n\tR = gitweb\n");
  EXPECT_EQ(projects(), "a/x.git\nb.git");
  EXPECT_EQ(read_file(repository("b") + "/config"),
            "[core]\n\tbare = true\n[gitweb]\n\towner = \"John \\\"Q\\\" Doe\"\n");
  EXPECT_TRUE(path_exists(home() + "/gitosis/projects.list.lock"));
}

TEST_F(Publish, NothingIsMadeWhereNothingIsPublished) {
  make("foo");
  use("[group g]\nmembers = x\nwritable = foo\n");
  EXPECT_EQ(projects(), "missing");
  use("[gitosis]\ngenerate-files-in = web\n[repo foo]\ngitweb = yes\n");
  EXPECT_EQ(read_file(home() + "/web/projects.list"), "foo.git\n");
}

TEST_F(Publish, ALinkThatSomebodyPlantedIsReplacedAndNeverFollowed) {
  make("foo");
  const std::string victim = home() + "/victim";
  replace_durably(victim, "precious\n");
  for (const char* name : {"/description", "/git-daemon-export-ok"})
    ASSERT_EQ(::symlink(victim.c_str(), (repository("foo") + name).c_str()), 0);
  use("[repo foo]\ndescription = new\ndaemon = no\n");
  EXPECT_EQ(read_file(victim), "precious\n");
  EXPECT_EQ(read_file(repository("foo") + "/description"), "new\n");
  EXPECT_FALSE(exported("foo"));
  // Also when what it leads to says just what is wanted.
  make("bar");
  ASSERT_EQ(
      ::symlink((repository("foo") + "/description").c_str(), (repository("bar") + "/description").c_str()),
      0);
  use("[repo foo]\ndescription = new\n[repo bar]\ndescription = new\n");
  replace_durably(repository("foo") + "/description", "other\n");
  EXPECT_EQ(read_file(repository("bar") + "/description"), "new\n");
}

TEST_F(Publish, LinksAndInnerRepositoriesAreNotWalked) {
  make("a");
  ensure_directory(repository("a") + "/inner.git");
  ASSERT_EQ(::symlink("/", (home() + "/repositories/root").c_str()), 0);
  ASSERT_EQ(::symlink(repository("a").c_str(), (home() + "/repositories/b.git").c_str()), 0);
  EXPECT_EQ(repositories_on_disk(home()), std::set<std::string>{"a"});
}

TEST(PublishConfig, TheOwnerIsSetOnceAndTheRestStays) {
  EXPECT_EQ(config_with_owner("", "A"), "[gitweb]\n\towner = \"A\"\n");
  EXPECT_EQ(config_with_owner("[gitweb]\n\towner = old\n\turl = x\n[core]\n\towner = 1\n", "A"),
            "[gitweb]\n\towner = \"A\"\n\turl = x\n[core]\n\towner = 1\n");
  const std::string once = config_with_owner("[core]\n\tbare = true\n", "a\\b");
  EXPECT_EQ(once, "[core]\n\tbare = true\n[gitweb]\n\towner = \"a\\\\b\"\n");
  EXPECT_EQ(config_with_owner(once, "a\\b"), once);
}

}  // namespace
}  // namespace bk::server
