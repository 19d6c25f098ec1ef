#include "server/access/client_edit.h"

#include "common/error/error.h"
#include "server/access/conf_text.h"

#include <gtest/gtest.h>

namespace bk::server {
namespace {

constexpr const char* kAlice =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICU/iDvoPwEbyCB1uMfUF4XcUbpOFuAKekg8qQxd5RAx";
constexpr const char* kWeb =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINsNlfmQAtyvWcHa85DFa31JROgc6hiyvvVtXQNiaFF/";
const ClientFacts kFacts{"backupclient@web1.example.org", kAlice, kWeb};

constexpr const char* kIni =
    "[gitosis]\n\n# ours\n[group gitosis-admin]\nmembers = alice\nwritable = gitosis-admin\n";
constexpr const char* kLater = "@admins = alice\nrepo gitosis-admin\n\tRW+ = @admins\n";

AdminTree tree_of(const char* conf, const char* backline = "# who is pulled from\n") {
  return {conf, backline, {{"alice.pub", std::string(kAlice) + " alice\n"}}, {}};
}

Rules judged(const AdminTree& tree) { return check_admin_tree(tree); }

Kind kind_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.kind();
  }
  ADD_FAILURE() << "nothing was thrown";
  return Kind::Cancelled;
}

class ClientEdit : public testing::TestWithParam<const char*> {};

TEST_P(ClientEdit, AnAddedClientMayWriteItsRepositoryAndIsPulledFrom) {
  const Rules rules = judged(add_client(tree_of(GetParam()), "web1", kFacts).tree);
  EXPECT_TRUE(rules.conf.find_writable("web1", "web1"));
  EXPECT_FALSE(rules.conf.find_readable("web1", "gitosis-admin"));
  ASSERT_NE(rules.backline.find("web1"), nullptr);
  EXPECT_EQ(rules.backline.find("web1")->address, kFacts.address);
  EXPECT_EQ(rules.backline.find("web1")->host_key, kAlice);
  EXPECT_EQ(rules.keys.size(), 2U);
  EXPECT_TRUE(rules.warnings.empty());
}

TEST_P(ClientEdit, AddingTwiceChangesNothing) {
  const AdminTree once = add_client(tree_of(GetParam()), "web1", kFacts).tree;
  const AdminTree twice = add_client(once, "web1", kFacts).tree;
  EXPECT_EQ(once.gitosis_conf, twice.gitosis_conf);
  EXPECT_EQ(once.backline_conf, twice.backline_conf);
  EXPECT_EQ(once.keydir.size(), twice.keydir.size());
}

TEST_P(ClientEdit, ARetiredClientHasNoKeyNoAddressAndNobodyWaitsForIt) {
  AdminTree tree = add_client(tree_of(GetParam()), "web1", kFacts).tree;
  *tree.backline_conf += "[keep web1]\ndaily = 3\n\n[expect web1:wiki]\nevery = 1d\n";
  const Edited edited = retire_client(tree, "web1");
  const Rules rules = judged(edited.tree);
  EXPECT_EQ(rules.backline.find("web1"), nullptr);
  EXPECT_EQ(rules.keys.size(), 1U);
  const ConfText backline(*edited.tree.backline_conf);
  EXPECT_TRUE(backline.has("keep web1"));
  EXPECT_FALSE(backline.has("expect web1:wiki"));
  EXPECT_EQ(backline.body("expect web1"), std::vector<std::string>{"every = never"});
}

TEST_P(ClientEdit, ARenamedClientKeepsKeyRightsAndRules) {
  AdminTree tree = add_client(tree_of(GetParam()), "web1", kFacts).tree;
  *tree.backline_conf += "[keep web1:wiki]\ndaily = 3\n\n[expect web1]\nevery = 1d\n";
  const Edited edited = rename_client(tree, "web1", "shop");
  const Rules rules = judged(edited.tree);
  EXPECT_TRUE(rules.conf.find_writable("shop", "shop"));
  EXPECT_FALSE(rules.conf.find_writable("web1", "web1"));
  ASSERT_NE(rules.backline.find("shop"), nullptr);
  EXPECT_EQ(rules.backline.find("shop")->host_key, kAlice);
  const ConfText backline(*edited.tree.backline_conf);
  EXPECT_TRUE(backline.has("keep web1:wiki") && backline.has("keep shop:wiki"));
  EXPECT_EQ(backline.body("expect shop"), std::vector<std::string>{"every = 1d"});
  EXPECT_EQ(backline.body("expect web1"), std::vector<std::string>{"every = never"});
}

INSTANTIATE_TEST_SUITE_P(BothGrammars, ClientEdit, testing::Values(kIni, kLater));

TEST(ClientEditTest, OnlyWhatWasAskedForChanges) {
  const AdminTree tree = add_client(tree_of(kIni), "web1", kFacts).tree;
  EXPECT_EQ(*tree.gitosis_conf, std::string(kIni) + "\n[group web1]\nmembers = web1\nwritable = web1\n");
  EXPECT_EQ(*retire_client(tree, "web1").tree.gitosis_conf, std::string(kIni) + "\n");
}

TEST(ClientEditTest, ARetiredClientsGroupWithMoreInItStaysAndIsNamed) {
  AdminTree tree = add_client(tree_of(kIni), "web1", kFacts).tree;
  *tree.gitosis_conf += "readonly = other\n";
  const Edited edited = retire_client(tree, "web1");
  EXPECT_EQ(edited.tree.gitosis_conf, tree.gitosis_conf);
  EXPECT_EQ(edited.notes.size(), 4U);  // snapshots stay; the head, members, writable
}

TEST(ClientEditTest, AnotherKeyForAKnownNameIsRefused) {
  const AdminTree tree = add_client(tree_of(kIni), "web1", kFacts).tree;
  ClientFacts other = kFacts;
  other.key = kAlice;
  EXPECT_EQ(kind_of([&] { (void)add_client(tree, "web1", other); }), Kind::Refused);
  other = kFacts;
  other.address = "backupclient@elsewhere";
  EXPECT_EQ(kind_of([&] { (void)add_client(tree, "web1", other); }), Kind::Refused);
}

TEST(ClientEditTest, ANameThatTheRulesUseOtherwiseIsRefused) {
  AdminTree tree = tree_of(kIni);
  *tree.gitosis_conf += "[group readers]\nmembers = web1\nreadonly = gitosis-admin\n";
  EXPECT_EQ(kind_of([&] { (void)add_client(tree, "web1", kFacts); }), Kind::Refused);
  for (const char* name : {"gitosis-admin", "a/b", "..", "", "a b", "-x"})
    EXPECT_EQ(kind_of([&] { (void)add_client(tree, name, kFacts); }), Kind::Usage) << name;
}

TEST(ClientEditTest, AnExistingRightIsEnough) {
  AdminTree tree = tree_of(kIni);
  *tree.gitosis_conf += "[group hosts]\nmembers = web1\nwritable = web1 web2\n";
  EXPECT_EQ(add_client(tree, "web1", kFacts).tree.gitosis_conf, tree.gitosis_conf);
}

TEST(ClientEditTest, NewKeysTakeThePlaceOfTheOldOnes) {
  const AdminTree tree = add_client(tree_of(kIni), "web1", kFacts).tree;
  const AdminTree rekeyed = rekey_client(tree, "web1", {"", kWeb, ""}).tree;
  EXPECT_EQ(judged(rekeyed).backline.find("web1")->host_key, kWeb);
  EXPECT_EQ(judged(rekeyed).backline.find("web1")->address, kFacts.address);
  EXPECT_EQ(kind_of([&] { (void)rekey_client(tree, "web2", {"", kWeb, ""}); }), Kind::NotFound);
}

TEST(ClientEditTest, OneKeyUnderTwoNamesIsRefusedByTheJudge) {
  AdminTree tree = add_client(tree_of(kIni), "web1", kFacts).tree;
  tree = add_client(tree, "web2", kFacts).tree;
  EXPECT_EQ(kind_of([&] { (void)judged(tree); }), Kind::Config);
}

TEST(ClientEditTest, ARenameOntoAKnownNameIsRefused) {
  const AdminTree tree = add_client(tree_of(kIni), "web1", kFacts).tree;
  EXPECT_EQ(kind_of([&] { (void)rename_client(tree, "web1", "alice"); }), Kind::Refused);
  EXPECT_EQ(kind_of([&] { (void)rename_client(tree, "nobody", "web2"); }), Kind::NotFound);
}

}  // namespace
}  // namespace bk::server
