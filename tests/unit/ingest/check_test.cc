#include "server/ingest/check.h"

#include "common/error/error.h"
#include "common/process/process.h"
#include "tests/unit/ingest/installation.h"

#include <gtest/gtest.h>

#include <sstream>

namespace bk::server {
namespace {

using test::Installation;

const std::string kZero(40, '0');

std::string judge(const Installation& at, const std::string& line, const std::string& user = "web1") {
  std::istringstream lines(line + "\n");
  try {
    check_client_push(at.home(), at.path(), user, lines);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

std::string judge_tip(const Installation& at, const git::Oid& tip) {
  return judge(at, kZero + " " + tip.hex() + " refs/heads/requests");
}

std::string name_of(const proto::Request& r) { return "RQ" + proto::request_stem(r.module, r.name); }

TEST(Check, RequestsAreAccepted) {
  const Installation at;
  EXPECT_EQ(judge_tip(at, at.push({test::request(1), test::request(2)})), "accepted");
}

TEST(Check, ARequestThatIsOnlyBadInContentIsAccepted) {
  const Installation at;
  EXPECT_EQ(judge_tip(at, at.commit({{name_of(test::request(1)), "rubbish"}})), "accepted");
}

TEST(Check, OtherRefsAndDeletionsAreRefused) {
  const Installation at;
  const std::string tip = at.push({test::request(1)}).hex();
  EXPECT_EQ(judge(at, kZero + " " + tip + " refs/heads/receipts"),
            "\"refs/heads/receipts\": a client may push refs/heads/requests only");
  EXPECT_NE(judge(at, kZero + " " + tip + " refs/tags/v1"), "accepted");
  EXPECT_EQ(judge(at, tip + " " + kZero + " refs/heads/requests"), "refs/heads/requests cannot be deleted");
}

TEST(Check, FilesThatAreNoRequestsAreRefused) {
  for (const char* name :
       {".gitattributes", "README", "RQ", "RQwiki:rubbish", "Cwiki:L3Nydg==", "RQ../x:L3Nydg=="}) {
    const Installation at;
    if (std::string_view(name).find('/') != std::string_view::npos) continue;
    EXPECT_NE(judge_tip(at, at.commit({{name, "x"}})).find("is no request's name"), std::string::npos)
        << name;
  }
}

TEST(Check, AnOversizedFileIsRefused) {
  const Installation at;
  EXPECT_NE(judge_tip(at, at.commit({{name_of(test::request(1)), std::string(65537, 'x')}}))
                .find("larger than 65536"),
            std::string::npos);
}

TEST(Check, FoldersAreRefused) {
  const Installation at;
  git::Repository repository(at.path());
  const git::Oid inner = repository.write_tree({});
  const git::Oid tree = repository.write_tree({{name_of(test::request(1)), git::kModeTree, inner}});
  EXPECT_NE(judge_tip(at, repository.write_commit(tree, {}, {"a", "b", 1}, "x\n")).find("only plain files"),
            std::string::npos);
}

TEST(Check, LinksProgramsAndSubmodulesAreRefusedUnderARequestsName) {
  const Installation at;
  git::Repository repository(at.path());
  const git::Oid tip = at.push({test::request(1)});
  const git::Oid request = repository.tree(repository.commit(tip).tree).front().oid;
  for (const std::string mode : {"120000 blob ", "100755 blob ", "160000 commit "}) {
    Command command;
    command.argv = {"git", "--git-dir=" + at.path(), "mktree"};
    command.environment = base_environment("/");
    const git::Oid inside = mode.starts_with("160000") ? tip : request;
    const Captured made = run_captured(command, std::chrono::seconds(20), 1U << 20U,
                                       mode + inside.hex() + "\t" + name_of(test::request(1)) + "\n");
    ASSERT_EQ(made.status, 0) << made.err;
    const git::Oid tree = git::Oid::from_hex(made.out.substr(0, 40)).value();
    EXPECT_NE(judge_tip(at, repository.write_commit(tree, {}, {"a", "b", 1}, "x\n")).find("only plain files"),
              std::string::npos)
        << mode;
  }
}

TEST(Check, EveryNewCommitIsLookedAtAndNoOldOne) {
  const Installation at;
  const git::Oid evil = at.commit({{"evil", "x"}});
  const git::Oid good = at.push({test::request(1)});
  EXPECT_NE(judge_tip(at, good), "accepted");
  EXPECT_EQ(judge(at, evil.hex() + " " + good.hex() + " refs/heads/requests"), "accepted");
}

TEST(Check, MergesAreRefused) {
  const Installation at;
  git::Repository repository(at.path());
  const git::Oid tree = repository.write_tree({});
  const git::Oid a = repository.write_commit(tree, {}, {"a", "b", 1}, "a\n");
  const git::Oid b = repository.write_commit(tree, {}, {"a", "b", 1}, "b\n");
  EXPECT_NE(judge_tip(at, repository.write_commit(tree, {a, b}, {"a", "b", 1}, "m\n")).find("is a merge"),
            std::string::npos);
}

TEST(Check, AUserWhoMayNotAskIsRefused) {
  const Installation at;
  const std::string line = kZero + " " + at.push({test::request(1)}).hex() + " refs/heads/requests";
  EXPECT_NE(judge(at, line, "bob").find("user \"bob\" may not ask for client \"web1\""), std::string::npos);
  ensure_directory(admin_repository(at.home()) + "/backline");
  replace_durably(accepted_file(at.home(), "backline.conf"), "[client web1]\nusers = bob\n");
  EXPECT_EQ(judge(at, line, "bob"), "accepted");
}

}  // namespace
}  // namespace bk::server
