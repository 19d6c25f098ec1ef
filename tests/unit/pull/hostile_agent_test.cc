// An agent that lies, one lie a test: each ends in a Protocol error, none in a snapshot, a hang or a large
// memory.
#include "common/chunk/chunk_id.h"
#include "common/error/error.h"
#include "tests/support/pull_script.h"
#include "tests/support/pull_world.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace bk::test {
namespace {

using namespace bk::pull;

class HostileAgent : public ::testing::Test {
 protected:
  // How the pull of this script ends: the kind of its error, or nothing when it succeeds.
  std::optional<Kind> play(const std::string& script, std::optional<int> status = 0) {
    ScriptStream stream(script, status);
    const auto writer = world_.writer("client" + std::to_string(++plays_));
    try {
      report_ = world_.pull_from(stream, *writer);
      return std::nullopt;
    } catch (const Error& error) {
      said_ = error.what();
      return error.kind();
    }
  }
  std::optional<Kind> play(const AgentScript& script) { return play(script.bytes()); }

  static ChunkItem chunk(const std::string& content) {
    return {static_cast<std::uint32_t>(content.size()), chunk_id(ObjectKind::Data, content)};
  }
  // A root with one file `f` of `size`, up to where its content belongs.
  static AgentScript one_file(std::uint64_t size) {
    return AgentScript().leave(1).page(0, 0, {script_file("f", size)});
  }

  PullWorld world_;
  PullReport report_;
  std::string said_;
  int plays_ = 0;
};

TEST_F(HostileAgent, AnHonestScriptSucceeds) {
  EXPECT_EQ(play(AgentScript().leave().page(0, 0, {}).done()), std::nullopt) << said_;
  EXPECT_EQ(play(one_file(7)
                     .recipe(0, {BeginFile{0, 0, {}}, chunk("content"), EndFile{}})
                     .group(0, "content")
                     .done()),
            std::nullopt)
      << said_;
  EXPECT_EQ(play(one_file(0).recipe(0, {BeginFile{0, 0, {}}, EndFile{FileStatus::Vanished, {}}}).done()),
            std::nullopt);
}

TEST_F(HostileAgent, NamesThatAreNoComponentsAreRefused) {
  for (const std::string& name :
       std::vector<std::string>{"", ".", "..", "a/b", "/", std::string("a\0b", 3)}) {
    PayloadWriter payload;
    payload.bytes(name);
    EXPECT_EQ(play(AgentScript().say_payload(FrameType::Enter, payload.view())), Kind::Protocol) << name;
  }
  EXPECT_EQ(play(AgentScript().leave(1).page(0, 0, {script_file("..", 0)})), Kind::Protocol);
  EXPECT_EQ(play(AgentScript().leave(1).page(0, 0, {script_file("a/../../b", 0)})), Kind::Protocol);
}

TEST_F(HostileAgent, NamesOutOfOrderOrTwiceAreRefused) {
  EXPECT_EQ(play(AgentScript().enter("b").leave().enter("a")), Kind::Protocol);
  EXPECT_EQ(play(AgentScript().enter("a").leave().enter("a")), Kind::Protocol);
  EXPECT_EQ(play(AgentScript().leave(2).page(0, 0, {script_file("b", 0), script_file("a", 0)})),
            Kind::Protocol);
  EXPECT_EQ(
      play(AgentScript().leave(2).page(0, 0, {script_file("a", 0)}, false).page(1, 0, {script_file("a", 0)})),
      Kind::Protocol);
}

TEST_F(HostileAgent, MessagesThatAreNotDueAreRefused) {
  EXPECT_EQ(play(AgentScript().leave().leave()), Kind::Protocol);
  EXPECT_EQ(play(AgentScript().leave().enter("a")), Kind::Protocol);
  EXPECT_EQ(play(AgentScript().page(0, 0, {})), Kind::Protocol);
  EXPECT_EQ(play(AgentScript().leave().page(1, 0, {})), Kind::Protocol);
  EXPECT_EQ(play(AgentScript().leave().page(0, 1, {})), Kind::Protocol);
  EXPECT_EQ(play(AgentScript().leave().page(0, 0, {}).page(1, 0, {})), Kind::Protocol);
  EXPECT_EQ(play(AgentScript().group(0, "x")), Kind::Protocol);
  EXPECT_EQ(play(AgentScript().recipe(0, {BeginFile{0, 0, {}}})), Kind::Protocol);
  EXPECT_EQ(play(AgentScript().recipe(1, {EndFile{}})), Kind::Protocol);
  EXPECT_EQ(play(AgentScript().say(FrameType::Opened, Opened{})), Kind::Protocol);
  EXPECT_EQ(play(AgentScript().say(FrameType::Hello, Hello{})), Kind::Protocol);
  EXPECT_EQ(play(one_file(0)
                     .recipe(0, {BeginFile{0, 0, {}}, EndFile{}})
                     .recipe(1, {BeginFile{0, 0, {}}, EndFile{}})),
            Kind::Protocol);
}

TEST_F(HostileAgent, ContentThatIsNotWhatWasSaidIsRefused) {
  EXPECT_EQ(play(one_file(8).recipe(0, {BeginFile{0, 0, {}}, chunk("content"), EndFile{}})), Kind::Protocol);
  EXPECT_EQ(
      play(one_file(7).recipe(0, {BeginFile{0, 0, {}}, chunk("content"), EndFile{}}).group(0, "CONTENT")),
      Kind::Protocol);
  EXPECT_EQ(
      play(one_file(7).recipe(0, {BeginFile{0, 0, {}}, chunk("content"), EndFile{}}).group(0, "contents")),
      Kind::Protocol);
  EXPECT_EQ(play(one_file(7).recipe(0, {chunk("content")})), Kind::Protocol);
  EXPECT_EQ(play(one_file(1ULL << 20U).recipe(0, {BeginFile{0, 0, {}}, ChunkItem{1U << 20U, {}}})),
            Kind::Protocol);
  const HoleItem huge{std::numeric_limits<std::int64_t>::max()};
  EXPECT_EQ(play(one_file(7).recipe(0, {BeginFile{0, 0, {}}, huge, huge})), Kind::Protocol);
}

TEST_F(HostileAgent, ABeginningThatNobodyOfferedIsNotTaken) {
  EXPECT_EQ(play(one_file(100).recipe(0, {BeginFile{0, 0, {}}, ContinuedItem{100}, EndFile{}}).done()),
            Kind::Protocol);
  EXPECT_EQ(play(one_file(100).recipe(0, {ContinuedItem{100}})), Kind::Protocol);
}

TEST_F(HostileAgent, AChunkThatWasNeverSentIsNotTaken) {
  // Another client owns it: naming its id must not make it this client's.
  const std::string secret = "somebody else's secret";
  const auto other = world_.writer("other");
  (void)other->put(ObjectKind::Data, secret);
  other->sync();
  const auto script =
      one_file(secret.size()).recipe(0, {BeginFile{0, 0, {}}, chunk(secret), EndFile{}}).done();
  EXPECT_EQ(play(script), Kind::Protocol);
  EXPECT_NE(said_.find("not"), std::string::npos);
}

TEST_F(HostileAgent, ACompressedLieIsRefusedBeforeItGrows) {
  Group bomb{0, {Codec::Zstd, std::string(100, 'z'), 7}};
  EXPECT_EQ(play(one_file(7)
                     .recipe(0, {BeginFile{0, 0, {}}, chunk("content"), EndFile{}})
                     .say(FrameType::Group, bomb)),
            Kind::Protocol);
  GroupEncoder encoder;
  bomb.group = encoder.encode(std::string(8U << 20U, 'x'));
  bomb.group.content_bytes = 7;
  EXPECT_EQ(play(one_file(7)
                     .recipe(0, {BeginFile{0, 0, {}}, chunk("content"), EndFile{}})
                     .say(FrameType::Group, bomb)),
            Kind::Protocol);
  // By the reason: the decoder would notice it, too, but only while it fills the memory.
  EXPECT_NE(said_.find("the frame states another content size"), std::string::npos) << said_;
  Entries page{0, 0, true, {}, encoder.encode(std::string(2U << 20U, '\0'))};
  EXPECT_EQ(play(AgentScript().leave(1).say(FrameType::Entries, page)), Kind::Protocol);
}

TEST_F(HostileAgent, AListingThatDiffersFromItsDigestIsRefused) {
  Entries page{0, 0, true, {}, {}};
  page.body.bytes = encode_page({script_file("a", 0)});
  page.body.content_bytes = static_cast<std::uint32_t>(page.body.bytes.size());
  EXPECT_EQ(play(AgentScript().leave(1).say(FrameType::Entries, page)), Kind::Protocol);
}

TEST_F(HostileAgent, ADirectoryThatWasNotEnteredIsNotInTheTree) {
  Entry ghost;
  ghost.name = "ghost";
  ghost.type = EntryType::Directory;
  EXPECT_EQ(play(AgentScript().leave(1).page(0, 0, {ghost}).done()), std::nullopt) << said_;
  EXPECT_FALSE(report_.root.has_subdirectories);
}

TEST_F(HostileAgent, DoneIsBelievedOnlyWhenEverythingIs) {
  EXPECT_EQ(play(AgentScript().done()), Kind::Protocol);
  EXPECT_EQ(play(AgentScript().enter("a").leave().done()), Kind::Protocol);
  EXPECT_EQ(play(AgentScript().leave().done()), Kind::Protocol);
  EXPECT_EQ(play(one_file(7).done()), Kind::Protocol);
  EXPECT_EQ(play(one_file(7).recipe(0, {BeginFile{0, 0, {}}, chunk("content"), EndFile{}}).done()),
            Kind::Protocol);
  EXPECT_EQ(play(AgentScript().leave().page(0, 0, {}).say(FrameType::Done, Done{})), Kind::Protocol);
  const AgentScript whole = AgentScript().leave().page(0, 0, {}).done();
  EXPECT_EQ(play(AgentScript(whole).say(FrameType::KeepAlive, KeepAlive{})), Kind::Protocol);
  EXPECT_EQ(play(AgentScript(whole).raw("x")), Kind::Protocol);
  EXPECT_EQ(play(whole.bytes(), 1), Kind::Transient);
  EXPECT_EQ(play(whole.bytes(), std::nullopt), Kind::Transient);
}

TEST_F(HostileAgent, UnknownAndOversizedFramesAreRefusedBeforeTheyAreCollected) {
  EXPECT_EQ(play(AgentScript().raw(std::string("\0\0\0\0\x7f", 5))), Kind::Protocol);
  EXPECT_EQ(play(AgentScript().raw("\xff\xff\xff\xff\x48")), Kind::Protocol);
  EXPECT_EQ(play(AgentScript().raw(std::string("\x01\0\0\0\x4a", 5))), Kind::Protocol);
}

TEST_F(HostileAgent, GreetingsOfAnotherKindAreRefused) {
  std::string later, featured;
  append_frame(later, FrameType::AgentHello, encode(AgentHello{2, {}, "x"}));
  append_frame(featured, FrameType::AgentHello, encode(AgentHello{1, {"telepathy"}, "x"}));
  EXPECT_EQ(play(later), Kind::Protocol);
  EXPECT_EQ(play(featured), Kind::Protocol);
  EXPECT_EQ(play("SSH-2.0-OpenSSH\r\n"), Kind::Protocol);
}

TEST_F(HostileAgent, WhatItSaysOfItselfBecomesNeitherOurDamageNorALineOfItsOwn) {
  const Fail fail{static_cast<std::uint8_t>(Kind::Corrupt), "disk\nFAKE LOG LINE\x1b[2J"};
  EXPECT_EQ(play(AgentScript().say(FrameType::Fail, fail)), Kind::Transient);
  EXPECT_EQ(said_.find('\n'), std::string::npos);
  EXPECT_EQ(said_.find('\x1b'), std::string::npos);
  EXPECT_EQ(play(AgentScript().say(FrameType::Refused, Refused{"no"})), Kind::Refused);
}

TEST_F(HostileAgent, RecipesWithoutTheirContentMeetTheirLimits) {
  AgentScript promises = one_file(1U << 30U).recipe(0, {BeginFile{0, 0, {}}, chunk("0")});
  for (std::uint64_t i = 1; i <= kMaxOpenBatches; ++i) promises.recipe(i, {chunk(std::to_string(i))});
  EXPECT_EQ(play(promises), Kind::Protocol);
  AgentScript holes = one_file(1U << 30U).recipe(0, {BeginFile{0, 0, {}}, chunk("0")});
  const std::vector<RecipeItem> many(kMaxBatchItems, HoleItem{1});
  const std::size_t enough = kMaxHeldBytes / sizeof(Extent) / kMaxBatchItems + 1;
  for (std::uint64_t i = 1; i <= enough; ++i) holes.recipe(i, many);
  EXPECT_EQ(play(holes), Kind::Protocol);
}

TEST_F(HostileAgent, EndlessMessagesMeetTheirLimits) {
  AgentScript skipped;
  for (int i = 0; i < 1001; ++i) skipped.say(FrameType::Skipped, Skipped{SkipReason::Denied, 0, "x"});
  EXPECT_EQ(play(skipped), Kind::Protocol);
  AgentScript deep;
  for (std::size_t i = 0; i <= kMaxDepth; ++i) deep.enter("d");
  EXPECT_EQ(play(deep), Kind::Protocol);
  AgentScript fat;
  Leave leave;
  leave.xattrs = {{"user.x", std::string(1'000'000, 'x')}};
  for (int i = 0; i < 200; ++i) {
    fat.enter("d" + std::to_string(1000 + i));
    leave.number = static_cast<std::uint64_t>(i);
    fat.say(FrameType::Leave, leave);
  }
  EXPECT_EQ(play(fat), Kind::Protocol);
}

}  // namespace
}  // namespace bk::test
