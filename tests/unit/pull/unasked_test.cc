// New content that comes without waiting for the server's Need: the same tree, nothing twice, and no way to
// keep back what was never sent.
#include "common/error/error.h"
#include "common/io/file.h"
#include "proto/pull/features.h"
#include "proto/pull/frame.h"
#include "tests/support/content.h"
#include "tests/support/pull_script.h"
#include "tests/support/pull_world.h"

#include <gtest/gtest.h>

namespace bk::test {
namespace {

using namespace pull;

constexpr std::size_t kMiB = 1U << 20U;

PullOptions far() {
  PullOptions options;
  options.unasked = true;
  return options;
}

class Unasked : public ::testing::Test {
 protected:
  void SetUp() override { ensure_directory(world_.source()); }
  PullReport pull() {
    AgentProcess agent({world_.source()});
    RecordingStream line(agent.stream());
    const auto writer = world_.writer();
    PullReport report = world_.pull_from(line, *writer, far());
    world_.commit(*writer, report);
    EXPECT_EQ(world_.differences("exported" + std::to_string(++exports_)), "");
    count(line.from_agent());
    return report;
  }
  void count(std::string_view stream) {
    FrameDecoder decoder;
    decoder.feed(stream);
    recipes_ = unasked_ = 0;
    while (const auto frame = decoder.next()) {
      if (frame->type != FrameType::Recipe) continue;
      ++recipes_;
      const Recipe recipe = decode_recipe(frame->payload);
      unasked_ += std::holds_alternative<UnaskedItem>(recipe.items.back()) ? 1 : 0;
    }
  }

  PullWorld world_;
  int exports_ = 0;
  unsigned recipes_ = 0, unasked_ = 0;  // of the last pull
};

TEST_F(Unasked, AFirstPullSendsMostOfItsContentWithoutWaiting) {
  for (std::uint32_t i = 1; i <= 4; ++i) put(world_.source() + "/" + std::to_string(i), noise(6 * kMiB, i));
  (void)pull();
  EXPECT_GT(recipes_, 20U);
  EXPECT_GT(unasked_, recipes_ / 4);
}

TEST_F(Unasked, WhatIsThereTwiceIsSentOnce) {
  for (const char* name : {"a", "b"}) put(world_.source() + "/" + name, noise(12 * kMiB, 1));
  put(world_.source() + "/c", noise(6 * kMiB, 2) + noise(6 * kMiB, 1));
  EXPECT_LT(pull().received_bytes, 19 * kMiB);
}

TEST_F(Unasked, WhatTheServerOwnsMakesTheAgentAskAgain) {
  put(world_.source() + "/a", noise(12 * kMiB, 1));
  (void)pull();
  ASSERT_EQ(std::rename((world_.source() + "/a").c_str(), (world_.source() + "/z").c_str()), 0);
  EXPECT_LT(pull().received_bytes, kMiB);
  EXPECT_EQ(unasked_, 0U);
}

TEST_F(Unasked, AServerThatDoesNotNameItIsNeverSentAnything) {
  put(world_.source() + "/a", noise(12 * kMiB, 1));
  AgentProcess agent({world_.source()});
  RecordingStream line(agent.stream());
  const auto writer = world_.writer();
  (void)world_.pull_from(line, *writer);
  count(line.from_agent());
  EXPECT_EQ(unasked_, 0U);
}

// Agents that say what the test wants, of one file of two chunks.
class UnaskedScript : public ::testing::Test {
 protected:
  std::optional<Kind> play(AgentScript script) {
    ScriptStream stream(script.bytes());
    const auto writer = world_.writer();
    try {
      world_.commit(*writer, world_.pull_from(stream, *writer, far()));
      return std::nullopt;
    } catch (const Error& error) {
      return error.kind();
    }
  }
  static ChunkItem chunk(const std::string& content) {
    return {static_cast<std::uint32_t>(content.size()), chunk_id(ObjectKind::Data, content)};
  }
  static UnaskedItem comes(const std::vector<bool>& bits) {
    UnaskedItem item;
    for (const bool bit : bits) item.chunks.push_back(bit);
    return item;
  }
  // A file of `one` and `two`, whose recipe ends with these items.
  static AgentScript file(const std::vector<RecipeItem>& last,
                          std::vector<std::string> features = {std::string(kFeatureUnasked)}) {
    std::vector<RecipeItem> items{BeginFile{0, 0, {}}, chunk("one"), chunk("two"), EndFile{}};
    items.insert(items.end(), last.begin(), last.end());
    AgentScript script(std::move(features));
    script.leave(1).page(0, 0, {script_file("f", 6)}).recipe(0, std::move(items));
    return script;
  }
  PullWorld world_;
};

TEST_F(UnaskedScript, TheContentMayFollowItsRecipe) {
  EXPECT_EQ(play(file({comes({true, true})}).group(0, "onetwo").done()), std::nullopt);
}

TEST_F(UnaskedScript, WhatWasNeverSentCannotBeKeptBack) {
  EXPECT_EQ(play(file({comes({true, false})}).group(0, "one").done()), Kind::Protocol);
}

TEST_F(UnaskedScript, OnlyWithTheFeatureAndOnceAndForTheChunksBeforeIt) {
  EXPECT_EQ(play(file({comes({true, true})}, {}).group(0, "onetwo").done()), Kind::Protocol);
  EXPECT_EQ(play(file({comes({true, true}), comes({true, true})}).group(0, "onetwo").done()), Kind::Protocol);
  EXPECT_EQ(play(file({comes({true})}).group(0, "one").done()), Kind::Protocol);
  EXPECT_EQ(play(file({comes({true, true, true})}).group(0, "onetwo").done()), Kind::Protocol);
}

TEST_F(UnaskedScript, OtherContentThanItsRecipeSaysIsNoGroup) {
  EXPECT_EQ(play(file({comes({true, true})}).group(0, "onetwi").done()), Kind::Protocol);
  EXPECT_EQ(play(file({comes({true, true})}).group(0, "one").done()), Kind::Protocol);
  EXPECT_EQ(play(file({comes({true, true})}).done()), Kind::Protocol);
}

TEST_F(UnaskedScript, RecipesWithoutTheirContentMeetTheirLimit) {
  AgentScript script({std::string(kFeatureUnasked)});
  script.leave(1).page(0, 0, {script_file("f", 1U << 30U)});
  script.recipe(0, {BeginFile{0, 0, {}}, chunk("0"), comes({true})});
  for (std::uint64_t i = 1; i <= kMaxOpenBatches + kMaxUnaskedBatches; ++i)
    script.recipe(i, {chunk(std::to_string(i)), comes({true})});
  EXPECT_EQ(play(script), Kind::Protocol);
}

}  // namespace
}  // namespace bk::test
