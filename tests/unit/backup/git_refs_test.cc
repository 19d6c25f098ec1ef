#include "server/pull/git_refs.h"

#include "common/error/error.h"
#include "server/pull/git_view.h"

#include <gtest/gtest.h>

namespace bk::pull {
namespace {

const std::string kA(40, 'a');
const std::string kB(40, 'b');

TEST(GitRefs, ReadsWhatLsRemoteSays) {
  const RemoteRefs r =
      parse_ls_remote("ref: refs/heads/main\tHEAD\n" + kA + "\tHEAD\n" + kA + "\trefs/heads/main\n" + kB +
                      "\trefs/tags/v1\n" + kA + "\trefs/tags/v1^{}\nrubbish\n");
  EXPECT_EQ(r.head, "refs/heads/main");
  EXPECT_EQ(r.head_oid, kA);
  EXPECT_EQ(r.refs, (Refs{{"refs/heads/main", kA}, {"refs/tags/v1", kB}}));
}

TEST(GitRefs, ManyAreWrittenAsOneFileThatGitReads) {
  EXPECT_EQ(packed_refs({{"refs/tags/v1", kB}, {"refs/heads/main", kA}}),
            "# pack-refs with: sorted \n" + kA + " refs/heads/main\n" + kB + " refs/tags/v1\n");
  EXPECT_NO_THROW((void)packed_refs({{"refs/heads/a", kA}, {"refs/heads/a-b", kA}, {"refs/heads/ab/c", kA}}));
  EXPECT_THROW((void)packed_refs({{"refs/heads/a", kA}, {"refs/heads/a-b", kA}, {"refs/heads/a/b", kB}}),
               Error);
  const Refs all{{"refs/heads/gone", kA}, {"refs/heads/moved", kA}, {"refs/heads/x", kA}};
  const Moves moves = compare_refs(all, {{"refs/heads/moved", kB}, {"refs/heads/x", kA}});
  EXPECT_EQ(keep_in(all, moves, "T", true), (Refs{{"refs/backline/T/heads/gone", kA},
                                                  {"refs/backline/T/heads/moved", kA},
                                                  {"refs/heads/moved", kA},
                                                  {"refs/heads/x", kA}}));
}

TEST(GitRefs, AHeadOutsideOfBranchesIsNotFollowed) {
  EXPECT_EQ(parse_ls_remote("ref: refs/backline/x\tHEAD\n").head, "");
  EXPECT_EQ(parse_ls_remote("ref: ../../etc\tHEAD\n").head, "");
}

TEST(GitRefs, NamesThatNoRefCanHaveAreLeftOut) {
  const std::vector<std::string> names{std::string("refs/heads/a\0delete refs/heads/b", 31),
                                       "refs/heads/a b",
                                       "refs/heads/../../config",
                                       "refs/heads/\x7f",
                                       "refs/heads/a\r",
                                       "refs/heads/",
                                       "refs/heads/*",
                                       "heads/a"};
  for (const std::string& name : names) {
    EXPECT_EQ(parse_ls_remote(kA + "\t" + name + "\n").refs, Refs{}) << name;
    EXPECT_EQ(parse_for_each_ref(kA + " " + name + "\n"), Refs{}) << name;
    EXPECT_EQ(parse_ls_remote("ref: " + name + "\tHEAD\n").head, "") << name;
  }
  EXPECT_EQ(parse_ls_remote(kA + "\trefs/heads/caf\xc3\xa9@x.y-z\n").refs.size(), 1U);
}

TEST(GitRefs, WhatIsGoneOrMovedIsKeptUnderTheTime) {
  const Moves moves = compare_refs({{"refs/heads/x", kA}, {"refs/heads/y", kA}, {"refs/heads/z", kA}},
                                   {{"refs/heads/y", kB}, {"refs/heads/z", kA}});
  const std::string keep_y =
      "update refs/backline/T/heads/y" + std::string(1, '\0') + kA + std::string(2, '\0');
  const std::string keep_x =
      "update refs/backline/T/heads/x" + std::string(1, '\0') + kA + std::string(2, '\0');
  const std::string gone_x = "delete refs/heads/x" + std::string(1, '\0') + kA + std::string(1, '\0');
  EXPECT_EQ(keep_transaction(moves, "T", true), keep_y + keep_x + gone_x);
}

TEST(GitRefs, OnlyOurOwnFilesOfAMirrorAreStored) {
  const std::string pack = "objects/pack/pack-" + kA;
  for (const std::string good : {"HEAD", "packed-refs", "objects", "objects/pack", "refs"})
    EXPECT_TRUE(belongs_to_git_snapshot(good)) << good;
  EXPECT_TRUE(belongs_to_git_snapshot(pack + ".pack"));
  EXPECT_TRUE(belongs_to_git_snapshot(pack + ".idx"));
  for (const std::string bad :
       {"hooks", "hooks/post-update", "backline-snapshot", "objects/info/alternates", "refs/heads/main.lock",
        "objects/pack/tmp_pack_x", "packed-refs.lock", "info/grafts"})
    EXPECT_FALSE(belongs_to_git_snapshot(bad)) << bad;
  EXPECT_FALSE(belongs_to_git_snapshot(pack + ".promisor"));
}

TEST(GitRefs, NoMirrorLiesInAnotherOne) {
  const auto path = [](const std::string& name) { return git_view_path("/h", "c", name); };
  EXPECT_EQ(path("/srv/app"), "/h/data/c/git/srv/app.git");
  EXPECT_EQ(path("/srv/app.git"), "/h/data/c/git/srv/app.git.git");
  EXPECT_EQ(path("/srv/app.git/sub"), "/h/data/c/git/srv/app.git~/sub.git");
  EXPECT_EQ(path("/srv/app.git~/sub"), "/h/data/c/git/srv/app.git~~/sub.git");
  EXPECT_EQ(path("/").substr(0, 15), "/h/data/c/git/~");
  EXPECT_EQ(path("/" + std::string(255, 'x')).size(), std::string("/h/data/c/git/~.git").size() + 64);
}

}  // namespace
}  // namespace bk::pull
