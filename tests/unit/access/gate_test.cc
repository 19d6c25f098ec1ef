#include "server/access/gate.h"

#include "common/error/error.h"

#include <gtest/gtest.h>

namespace bk::server {
namespace {

constexpr auto kConf =
    "[group w]\nmembers = ann\nwritable = a b/c\n[group t]\nmembers = ann\nwriteable = typo\n"
    "[group r]\nmembers = bob\nreadonly = a\n";

std::string pass(std::string_view user, std::string_view command) {
  std::vector<std::string> warnings;
  try {
    const Passage passage = pass_gate(GitosisConf::parse(kConf, warnings), user, command);
    return passage.command.verb + " " + passage.granted.prefix + "/" + passage.granted.path;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Refused);
    return error.what();
  }
}

struct Case {
  const char *user, *command, *answer;
};

constexpr const char* kUnknown = "Unknown command denied";
constexpr const char* kDanger = "Arguments to command look dangerous";
constexpr const char* kNoRead = "Repository read access denied";
constexpr const char* kNoWrite = "Repository write access denied";
constexpr const char* kNewline = "Command may not contain newline";

constexpr Case kCases[] = {
    {"ann", "git-receive-pack 'a'", "git-receive-pack repositories/a"},
    {"ann", "git receive-pack 'a.git'", "git receive-pack repositories/a"},
    {"ann", "git   upload-pack\t 'b/c'", "git upload-pack repositories/b/c"},
    {"ann", "  git-upload-pack '//b/c.git'", "git-upload-pack repositories/b/c"},
    {"ann", "git-receive-pack 'typo'", "git-receive-pack repositories/typo"},
    {"bob", "git-upload-pack '/a.git'", "git-upload-pack repositories/a"},
    {"bob", "git-receive-pack 'a'", kNoWrite},
    {"eve", "git-receive-pack 'a'", kNoRead},
    {"eve", "git-upload-pack 'a'", kNoRead},
    {"ann", "git-upload-pack 'nothing'", kNoRead},
    {"ann", "git-upload-pack 'a'\n", kNewline},
    {"ann", "evil\n'a'", kNewline},
    {"ann", "", kUnknown},
    {"ann", "git-upload-pack", kUnknown},
    {"ann", "git-upload-pack ", kUnknown},
    {"ann", "git upload-pack", kUnknown},
    {"ann", "git", kUnknown},
    {"ann", "evil 'a'", kUnknown},
    {"ann", "git-upload-archive 'a'", kUnknown},
    {"ann", "GIT-UPLOAD-PACK 'a'", kUnknown},
    {"ann", "git-upload-packx 'a'", kUnknown},
    {"ann", "git -c x=y upload-pack 'a'", kUnknown},
    {"ann", "git-upload-pack a", kDanger},
    {"ann", "git-upload-pack \"a\"", kDanger},
    {"ann", "git-upload-pack 'a", kDanger},
    {"ann", "git-upload-pack '", kDanger},
    {"ann", "git-upload-pack ''", kDanger},
    {"ann", "git-upload-pack '/'", kDanger},
    {"ann", "git-upload-pack '../a'", kDanger},
    {"ann", "git-upload-pack 'a/../b'", kDanger},
    {"ann", "git-upload-pack 'a//b'", kDanger},
    {"ann", "git-upload-pack 'a/'", kDanger},
    {"ann", "git-upload-pack '.a'", kDanger},
    {"ann", "git-upload-pack '-a'", kDanger},
    {"ann", "git-upload-pack '~ann/a'", kDanger},
    {"ann", "git-upload-pack 'a b'", kDanger},
    {"ann", "git-upload-pack 'a' 'b'", kDanger},
    {"ann", "git-upload-pack 'a' ", kDanger},
    {"ann", "git-upload-pack --strict 'a'", kDanger},
    {"ann", "git-upload-pack 'a;id'", kDanger},
    {"ann", "git-upload-pack 'a$(id)'", kDanger},
    {"ann", "git-upload-pack 'a\\'", kDanger},
    {"ann", "git-upload-pack 'a'b'", kDanger},
    {"ann", "git-upload-pack '\xc3\xa9'", kDanger},
};

TEST(Gate, AnswersEveryCommandAsGitosisDid) {
  for (const Case& one : kCases)
    EXPECT_EQ(pass(one.user, one.command), one.answer) << one.user << ": " << one.command;
}

TEST(Gate, ANulByteIsDangerous) {
  EXPECT_EQ(pass("ann", std::string_view("git-upload-pack 'a\0'", 20)), kDanger);
}

TEST(Gate, AnEndlessPathIsDangerous) {
  EXPECT_EQ(pass("ann", "git-upload-pack '" + std::string(100000, 'a') + "'"), kDanger);
}

}  // namespace
}  // namespace bk::server
