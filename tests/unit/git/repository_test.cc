#include "common/git/repository.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/process/process.h"
#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>

#include <functional>

namespace bk::git {
namespace {

Kind kind_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.kind();
  }
  ADD_FAILURE() << "nothing was thrown";
  return Kind::Usage;
}

class GitRepository : public testing::Test {
 protected:
  test::TempDir dir_;
  Repository repo_ = make();

  Repository make() {
    Repository::init(dir_.file("r.git"), kRef);
    return Repository(dir_.file("r.git"));
  }

  Oid commit(const std::vector<std::pair<std::string, std::string>>& files, const std::vector<Oid>& parents) {
    std::vector<TreeEntry> entries;
    for (const auto& [name, text] : files) entries.push_back({name, kModeFile, repo_.write_blob(text)});
    return repo_.write_commit(repo_.write_tree(entries), parents,
                              {"test", "test@localhost", 1783000000 + serial_++}, "test\n");
  }
  std::string git(std::vector<std::string> argv) const {
    Command command;
    command.argv = {"git", "-c", "safe.directory=*", "-C", repo_.path()};
    command.argv.insert(command.argv.end(), argv.begin(), argv.end());
    command.environment = base_environment("/");
    const Captured result = run_captured(command, std::chrono::seconds(30));
    EXPECT_EQ(result.status, 0) << result.err;
    return result.out;
  }
  int serial_ = 0;
  static constexpr const char* kRef = "refs/heads/requests";
};

TEST_F(GitRepository, WhatIsWrittenIsReadBackByUsAndByStockGit) {
  const Oid id = commit({{"RQa", "one"}, {"RQb", std::string("two\0", 4)}}, {});
  ASSERT_TRUE(repo_.set_ref(kRef, id, std::nullopt));
  const Repository again = Repository(repo_.path());
  const Commit found = again.commit(*again.ref(kRef));
  const std::vector<TreeEntry> tree = again.tree(found.tree, 10);
  ASSERT_EQ(tree.size(), 2U);
  EXPECT_EQ(tree[0].name, "RQa");
  EXPECT_EQ(tree[0].mode, kModeFile);
  EXPECT_EQ(again.blob(tree[1].oid, 100), std::string("two\0", 4));
  EXPECT_EQ(found.message, "test\n");
  EXPECT_TRUE(found.parents.empty());
  EXPECT_EQ(git({"rev-parse", kRef}), id.hex() + "\n");
  EXPECT_EQ(git({"cat-file", "blob", id.hex() + ":RQa"}), "one");
  (void)git({"fsck", "--strict"});
}

TEST_F(GitRepository, ARefMovesOnlyFromWhereItWasExpected) {
  const Oid a = commit({{"RQa", "one"}}, {});
  const Oid b = commit({{"RQb", "two"}}, {a});
  EXPECT_FALSE(repo_.set_ref(kRef, b, a)) << "it does not exist";
  EXPECT_TRUE(repo_.set_ref(kRef, a, std::nullopt));
  EXPECT_FALSE(repo_.set_ref(kRef, b, std::nullopt)) << "it exists";
  EXPECT_FALSE(repo_.set_ref(kRef, b, b)) << "it stands at a";
  EXPECT_EQ(repo_.ref(kRef), a);
  EXPECT_TRUE(repo_.set_ref(kRef, b, a));
  EXPECT_EQ(repo_.ref(kRef), b);
  repo_.delete_ref(kRef);
  repo_.delete_ref(kRef);
  EXPECT_EQ(repo_.ref(kRef), std::nullopt);
}

TEST_F(GitRepository, ALockedRefIsTransient) {
  const Oid a = commit({{"RQa", "one"}}, {});
  ASSERT_TRUE(repo_.set_ref(kRef, a, std::nullopt));
  replace_durably(repo_.path() + "/" + kRef + ".lock", "");
  const Oid b = commit({{"RQb", "two"}}, {a});
  EXPECT_EQ(kind_of([&] { (void)repo_.set_ref(kRef, b, a); }), Kind::Transient);
}

TEST_F(GitRepository, AnEmptyRefFileIsCorruptAndCanBeReplacedOrRemoved) {
  const Oid a = commit({{"RQa", "one"}}, {});
  ASSERT_TRUE(repo_.set_ref(kRef, a, std::nullopt));
  replace_durably(repo_.path() + "/" + kRef, "");
  EXPECT_EQ(kind_of([&] { (void)repo_.ref(kRef); }), Kind::Corrupt);
  repo_.force_ref(kRef, a);
  EXPECT_EQ(repo_.ref(kRef), a);
  replace_durably(repo_.path() + "/" + kRef, "");
  repo_.delete_ref(kRef);
  EXPECT_EQ(repo_.ref(kRef), std::nullopt);
}

TEST_F(GitRepository, RefsPackedByStockGitAreReadMovedAndRemoved) {
  const Oid a = commit({{"RQa", "one"}}, {});
  const Oid b = commit({{"RQb", "two"}}, {a});
  ASSERT_TRUE(repo_.set_ref(kRef, a, std::nullopt));
  (void)git({"pack-refs", "--all"});
  EXPECT_EQ(repo_.ref(kRef), a);
  EXPECT_TRUE(repo_.set_ref(kRef, b, a));
  EXPECT_EQ(repo_.ref(kRef), b);
  (void)git({"pack-refs", "--all"});
  repo_.delete_ref(kRef);
  EXPECT_EQ(repo_.ref(kRef), std::nullopt);
}

TEST_F(GitRepository, CommitsComeOldestFirstAndWithinALimit) {
  std::vector<Oid> ids{commit({}, {})};
  for (int i = 0; i < 20; ++i) ids.push_back(commit({{"RQ", std::to_string(i)}}, {ids.back()}));
  ASSERT_TRUE(repo_.set_ref(kRef, ids.back(), std::nullopt));
  EXPECT_EQ(repo_.commits_between(std::nullopt, ids.back(), 100), ids);
  EXPECT_EQ(repo_.commits_between(ids[17], ids.back(), 100), (std::vector<Oid>{ids[18], ids[19], ids[20]}));
  EXPECT_TRUE(repo_.commits_between(ids.back(), ids.back(), 100).empty());
  EXPECT_EQ(kind_of([&] { (void)repo_.commits_between(std::nullopt, ids.back(), 20); }), Kind::Protocol);
  EXPECT_EQ(repo_.count_commits(ids.back(), 100), 21U);
  EXPECT_EQ(repo_.count_commits(ids.back(), 5), 5U);
  EXPECT_TRUE(repo_.descends_from(ids[5], ids[5]));
  EXPECT_TRUE(repo_.descends_from(ids[9], ids[5]));
  EXPECT_FALSE(repo_.descends_from(ids[5], ids[9]));
}

TEST_F(GitRepository, SizesAreLimitedBeforeTheyAreRead) {
  const Oid blob = repo_.write_blob(std::string(1000, 'x'));
  EXPECT_EQ(repo_.blob(blob, 1000).size(), 1000U);
  EXPECT_EQ(kind_of([&] { (void)repo_.blob(blob, 999); }), Kind::Protocol);
  const Oid c = commit({{"RQa", "1"}, {"RQb", "2"}}, {});
  EXPECT_EQ(kind_of([&] { (void)repo_.tree(repo_.commit(c).tree, 1); }), Kind::Protocol);
  EXPECT_EQ(kind_of([&] { (void)repo_.blob(repo_.commit(c).tree, 1000); }), Kind::Corrupt);
}

TEST_F(GitRepository, AMissingObjectIsCorrupt) {
  const Oid nowhere = *Oid::from_hex(std::string(40, '1'));
  EXPECT_FALSE(repo_.is_readable(nowhere));
  EXPECT_EQ(kind_of([&] { (void)repo_.blob(nowhere, 10); }), Kind::Corrupt);
  EXPECT_EQ(kind_of([&] { (void)repo_.commit(nowhere); }), Kind::Corrupt);
  EXPECT_EQ(kind_of([&] { (void)repo_.tree(nowhere, 10); }), Kind::Corrupt);
}

TEST_F(GitRepository, ObjectsThatAPowerCutEmptiedAreRemovedAndCanBeWrittenAgain) {
  const Oid id = commit({{"RQa", "one"}}, {});
  ASSERT_TRUE(repo_.set_ref(kRef, id, std::nullopt));
  const std::string hex = id.hex();
  const std::string file = repo_.path() + "/objects/" + hex.substr(0, 2) + "/" + hex.substr(2);
  remove_durably(file);
  replace_durably(file, "");
  Repository hurt = Repository(repo_.path());
  EXPECT_EQ(kind_of([&] { (void)hurt.commit(id); }), Kind::Corrupt);
  EXPECT_EQ(hurt.remove_broken_objects(), 1U);
  EXPECT_FALSE(hurt.is_readable(id));
  EXPECT_EQ(hurt.remove_broken_objects(), 0U);
}

TEST_F(GitRepository, OidsAreFortyLowerCaseHexDigits) {
  EXPECT_TRUE(Oid::from_hex(std::string(40, '0'))->is_zero());
  EXPECT_EQ(Oid::from_hex(std::string(40, 'a'))->hex(), std::string(40, 'a'));
  for (const std::string& bad : {std::string(39, 'a'), std::string(41, 'a'), std::string(40, 'A'),
                                 std::string(40, 'g'), std::string()})
    EXPECT_FALSE(Oid::from_hex(bad)) << bad;
}

}  // namespace
}  // namespace bk::git
