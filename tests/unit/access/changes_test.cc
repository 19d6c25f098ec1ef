#include "server/access/changes.h"

#include <gtest/gtest.h>

namespace bk::server {
namespace {

const std::string kAnn = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICU/iDvoPwEbyCB1uMfUF4XcUbpOFuAKekg8qQxd5RAx\n";
const std::string kBob = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINsNlfmQAtyvWcHa85DFa31JROgc6hiyvvVtXQNiaFF/\n";
const std::string kAdmin = "[group gitosis-admin]\nmembers = ann\nwritable = gitosis-admin\n";

Rules rules(const std::string& conf, std::vector<KeyFile> keys, const std::string& backline = "") {
  AdminTree tree;
  tree.gitosis_conf = kAdmin + conf;
  tree.backline_conf = backline;
  tree.keydir = std::move(keys);
  tree.keydir.push_back({"ann.pub", kAnn});
  return check_admin_tree(tree);
}

std::string changes(const Rules& before, const Rules& after) {
  std::string out;
  for (const std::string& line : describe_changes(before, after)) out += line + "\n";
  return out;
}

const KeyFile kBobFile{"bob.pub", kBob};

TEST(Changes, NothingIsSaidWhenNothingChangesForAnybody) {
  EXPECT_EQ(changes(rules("", {}), rules("# a comment\n[group empty]\n", {})), "");
  EXPECT_EQ(changes(rules("", {}), rules("[group g]\nmembers = nobody\nwritable = a\n", {})), "")
      << "without a key nobody gains anything";
}

TEST(Changes, WhoGainsAndWhoLosesIsSaidByName) {
  const std::string more = "[group g]\nmembers = bob\nwritable = a b\nreadonly = c\n";
  const std::string less = "[group g]\nmembers = bob\nreadonly = a c\n";
  EXPECT_EQ(changes(rules("", {kBobFile}), rules(more, {kBobFile})), "bob gains write a, b; read c\n");
  EXPECT_EQ(changes(rules(more, {kBobFile}), rules(less, {kBobFile})), "bob loses write a, b\n");
  EXPECT_EQ(changes(rules(less, {kBobFile}), rules(more, {kBobFile})), "bob gains write a, b\n");
}

TEST(Changes, AKeyThatComesOrGoesBringsOrTakesAllRights) {
  const std::string conf = "[group g]\nmembers = bob\nwritable = a\n";
  const std::string key = "ssh-ed25519 SHA256:";
  const std::string gone = changes(rules(conf, {kBobFile}), rules(conf, {}));
  EXPECT_NE(gone.find("bob loses the key " + key), std::string::npos) << gone;
  EXPECT_NE(gone.find("bob loses write a\n"), std::string::npos) << gone;
  const std::string come = changes(rules(conf, {}), rules(conf, {kBobFile}));
  EXPECT_NE(come.find("bob gains the key " + key), std::string::npos) << come;
  EXPECT_NE(come.find("bob gains write a\n"), std::string::npos) << come;
}

TEST(Changes, WhatEverybodyGainsIsSaidOnce) {
  EXPECT_EQ(changes(rules("", {kBobFile}), rules("[group all]\nreadonly = pub\n", {kBobFile})),
            "everybody with a key gains read pub\n");
}

TEST(Changes, RightsThroughGroupsPatternsAndMapsAreFollowed) {
  EXPECT_EQ(
      changes(rules("", {kBobFile}),
              rules("[group h]\nmembers = bob\n[group g]\nmembers = @h\nwritable_regex = t/.*\n"
                    "map readonly x = y/z\n[group o]\nmembers = bob\nrepositories = other\nreadonly = q\n",
                    {kBobFile})),
      "bob gains write names like \"t/.*\"; read \"x\" for y/z, other/q\n");
}

TEST(Changes, TheTwoGrammarsAreComparedByWhatTheyGrant) {
  AdminTree tree;
  tree.gitosis_conf = "@a = ann\nrepo gitosis-admin\n\tRW+ = @a\nrepo p\n\tR = daemon\n\tRW+ = ann\n";
  tree.keydir.push_back({"ann.pub", kAnn});
  EXPECT_EQ(changes(rules("", {}), check_admin_tree(tree)),
            "ann gains write p\nanybody, through git-daemon, gains read p\n");
}

TEST(Changes, ClientsAndWhoMayAskForThemAreCompared) {
  const std::string one = "[client web1]\naddress = b@h1\nusers = bob\n";
  const std::string two = "[client web1]\naddress = b@h2\nrestore = yes\n";
  EXPECT_EQ(changes(rules("", {}), rules("", {}, one)),
            "client web1 is new\nclient web1: address \"b@h1\"\nbob gains asking for web1\n");
  EXPECT_EQ(changes(rules("", {}, one), rules("", {}, two)),
            "client web1: address changes to \"b@h2\"\nweb1 gains restoring its own snapshots\n"
            "bob loses asking for web1\n");
  EXPECT_EQ(changes(rules("", {}, one), rules("", {})),
            "client web1 is gone: nothing is pulled from it any more\n");
}

TEST(Changes, VeryManyAreCounted) {
  std::string conf, backline;
  for (int i = 0; i < 300; ++i) backline += "[client c" + std::to_string(i) + "]\nusers = bob\n";
  const std::vector<std::string> lines = describe_changes(rules("", {}), rules("", {}, backline));
  EXPECT_EQ(lines.size(), kMostChangeLines + 1);
  EXPECT_EQ(lines.back(), "… and 400 more changes");
}

}  // namespace
}  // namespace bk::server
