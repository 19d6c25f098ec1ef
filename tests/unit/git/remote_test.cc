// Fetch and push over a real sshd and stock git on the far side.
#include "common/git/remote.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/process/process.h"
#include "tests/support/sshd.h"
#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <functional>

namespace bk::git {
namespace {

using Result = PushAnswer::Result;
constexpr const char* kRef = "refs/heads/requests";
constexpr const char* kOut = "refs/backline/outgoing";

class GitRemote : public testing::Test {
 protected:
  test::Sshd server_;
  std::string far_ = make(server_.dir().file("far.git"));
  Repository near_{make(server_.dir().file("near.git"))};
  Remote remote_{server_.endpoint(far_)};

  static std::string make(const std::string& path) {
    Repository::init(path, kRef);
    return path;
  }
  Oid commit(Repository& to, const std::string& text, const std::vector<Oid>& parents) {
    const Oid tree = to.write_tree({{"RQa", kModeFile, to.write_blob(text)}});
    return to.write_commit(tree, parents, {"test", "test@localhost", 1783000000}, text);
  }
  PushAnswer push(const Oid& id) {
    near_.force_ref(kOut, id);
    return remote_.push(near_, kOut, kRef);
  }
  void hook(const std::string& name, const std::string& text) const {
    replace_durably(far_ + "/hooks/" + name, "#!/bin/sh\n" + text + "\n", 0755);
  }
};

TEST_F(GitRemote, AnEmptyRepositoryHasNoRefs) { EXPECT_TRUE(remote_.fetch(near_, {kRef}).empty()); }

TEST_F(GitRemote, WhatIsPushedIsFetchedByAnother) {
  const Oid a = commit(near_, "one", {});
  EXPECT_EQ(push(a).result, Result::Accepted);
  const PushAnswer again = push(a);
  EXPECT_EQ(again.result, Result::Accepted) << "up to date is accepted, too: " << again.reason;
  Repository third(make(server_.dir().file("third.git")));
  EXPECT_EQ(remote_.fetch(third, {kRef}).at(kRef), a);
  EXPECT_EQ(third.commit(a).message, "one");
  EXPECT_EQ(third.ref(kRef), std::nullopt) << "fetching moves no ref";
}

TEST_F(GitRemote, APushThatIsBehindSaysSo) {
  const Oid a = commit(near_, "one", {});
  ASSERT_EQ(push(a).result, Result::Accepted);
  Repository far(far_);
  ASSERT_TRUE(far.set_ref(kRef, commit(far, "theirs", {a}), a));
  EXPECT_EQ(push(commit(near_, "two", {a})).result, Result::Behind);
  EXPECT_EQ(push(commit(near_, "unrelated", {})).result, Result::Behind);
}

TEST_F(GitRemote, ARefusalOfAHookIsNoSuccessAndItsWordsArrive) {
  for (const char* name : {"pre-receive", "update"}) {
    hook(name, "echo this is not allowed >&2; exit 1");
    const PushAnswer answer = push(commit(near_, name, {}));
    EXPECT_EQ(answer.result, Result::Refused) << name;
    EXPECT_NE(answer.reason.find("this is not allowed"), std::string::npos) << answer.reason;
    EXPECT_EQ(Repository(far_).ref(kRef), std::nullopt);
    remove_durably(far_ + "/hooks/" + name);
  }
}

TEST_F(GitRemote, AFailingPostReceiveHookChangesNothing) {
  hook("post-receive", "exit 1");
  const PushAnswer answer = push(commit(near_, "one", {}));
  EXPECT_EQ(answer.result, Result::Accepted) << answer.reason;
}

TEST_F(GitRemote, APushEndsOnlyAfterThePostReceiveHookRan) {
  hook("post-receive", "sleep 0.3; touch done");
  EXPECT_EQ(push(commit(near_, "one", {})).result, Result::Accepted);
  EXPECT_TRUE(path_exists(far_ + "/done"));
}

TEST_F(GitRemote, AMissingRepositoryIsTransientAndSaysWhatTheFarSideSaid) {
  Remote remote(server_.endpoint(server_.dir().file("none.git")));
  try {
    (void)remote.fetch(near_, {kRef});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Transient);
    EXPECT_NE(std::string(error.what()).find("does not appear to be a git repository"), std::string::npos)
        << error.what();
  }
}

TEST_F(GitRemote, AGateThatRefusesIsRefused) {
  server_.authorize(
      {"restrict,command=\"echo no right to this >&2; exit 77\" " + test::public_key(server_.identity())});
  try {
    (void)remote_.fetch(near_, {kRef});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Refused);
    EXPECT_NE(std::string(error.what()).find("no right to this"), std::string::npos) << error.what();
  }
  const PushAnswer answer = push(commit(near_, "one", {}));
  EXPECT_EQ(answer.result, Result::Unknown);
  EXPECT_EQ(answer.kind, Kind::Refused);
}

TEST_F(GitRemote, MoreThanTheLimitIsNotFetched) {
  Repository far(far_);
  std::string noise;
  for (unsigned i = 0; i < 300000; ++i) noise += static_cast<char>((i * 2654435761U) >> 24U);
  ASSERT_TRUE(far.set_ref(kRef, commit(far, noise, {}), std::nullopt));
  RemoteLimits limits;
  limits.fetched_bytes = 10000;
  Remote small(server_.endpoint(far_), limits);
  try {
    (void)small.fetch(near_, {kRef});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Protocol) << error.what();
  }
}

}  // namespace
}  // namespace bk::git
