// Changed files against their old chunk lists: both ends' windows alone, then real pulls.
#include "client/agent/delta_answer.h"
#include "client/agent/old_content.h"
#include "common/delta/delta.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "proto/pull/features.h"
#include "server/store/tree.h"
#include "tests/support/content.h"
#include "tests/support/pull_script.h"
#include "tests/support/pull_world.h"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace bk::test {
namespace {

using namespace bk::pull;
using agent::OldContents;

const std::string kSalt(kSaltBytes, 's');

ChunkId id_of(std::uint64_t number) { return chunk_id(ObjectKind::Data, std::to_string(number)); }

OldContent frame_of(std::uint64_t index, std::uint64_t from, std::uint64_t to, bool last) {
  OldContent message{0, index, last, {}};
  for (std::uint64_t i = from; i < to; ++i) message.ids.push_back(old_id(kSalt, id_of(i)));
  return message;
}

OldFiles files_of(std::size_t count) {
  OldFiles message{0, kSalt, {}};
  for (std::size_t i = 0; i < count; ++i) message.files.push_back(true);
  return message;
}

TEST(OldVersion, BothEndsMoveTheirWindowAlike) {
  OldPosition one_by_one, in_runs;
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 700; ++i) one_by_one.kept(one_by_one.next() + (i == 0 ? 300 : 0), 1);
    in_runs.kept(in_runs.next() + 300, 700);
    for (int i = 0; i < 90; ++i) {
      one_by_one.fresh();
      in_runs.fresh();
    }
    EXPECT_EQ(one_by_one.base(), in_runs.base());
    EXPECT_EQ(one_by_one.expected(), in_runs.expected());
  }
  EXPECT_EQ(in_runs.base(), in_runs.expected() - kOldBehind);
}

TEST(OldVersion, AMatchFarAheadDoesNotThrowAwayWhatComesNext) {
  OldPosition position;
  position.kept(20'000, 1);
  EXPECT_EQ(position.base(), kOldStep);
  position.kept(5000, 1);
  EXPECT_EQ(position.next(), 5001U);
}

TEST(OldVersion, TheAgentFindsKeptChunksInOrderReplacedInsertedAndMissing) {
  OldContents old;
  old.take(files_of(2));
  old.take(frame_of(1, 0, 1000, true));
  EXPECT_FALSE(old.begin(0, 7));
  ASSERT_TRUE(old.begin(0, 1));
  EXPECT_FALSE(old.must_wait());
  EXPECT_EQ(old.look_up(id_of(0))->skip, 0);
  EXPECT_FALSE(old.look_up(id_of(77'000)));
  EXPECT_EQ(old.look_up(id_of(2))->skip, 1);
  EXPECT_FALSE(old.look_up(id_of(77'001)));
  EXPECT_EQ(old.look_up(id_of(3))->skip, 0);  // an insertion
  EXPECT_EQ(old.look_up(id_of(500))->skip, 496);
  EXPECT_EQ(old.look_up(id_of(4))->skip, -497);  // two parts changed places
  old.end();
  EXPECT_FALSE(old.look_up(id_of(5)));
}

TEST(OldVersion, TheAgentWaitsForWhatTheServerMaySend) {
  OldContents old;
  old.take(files_of(1));
  ASSERT_TRUE(old.begin(0, 0));
  EXPECT_TRUE(old.must_wait());
  old.take(frame_of(0, 0, 1, false));
  EXPECT_FALSE(old.must_wait());
  EXPECT_TRUE(old.look_up(id_of(0)).has_value());
  EXPECT_TRUE(old.must_wait());
  old.take(frame_of(0, 1, 1, true));
  EXPECT_FALSE(old.must_wait());
}

TEST(OldVersion, ALongFileIsFollowedWithAWindowOnly) {
  OldContents old;
  old.take(files_of(1));
  ASSERT_TRUE(old.begin(0, 0));
  std::uint64_t sent = 0;
  for (std::uint64_t i = 0; i < 200'000; ++i) {
    while (sent + kOldFrameIds <= old.base() + kOldWindow) {
      old.take(frame_of(0, sent, sent + kOldFrameIds, false));
      sent += kOldFrameIds;
    }
    ASSERT_FALSE(old.must_wait());
    ASSERT_EQ(old.look_up(id_of(i % 10 == 3 ? i + 1'000'000 : i)).has_value(), i % 10 != 3);
  }
}

TEST(OldVersion, TheAgentRefusesListsThatAreNotDueOrTooLong) {
  OldContents old;
  EXPECT_THROW(old.take(frame_of(0, 0, 1, true)), Error);
  old.take(files_of(3));
  EXPECT_THROW(old.take(files_of(3)), Error);
  old.take(frame_of(1, 0, 1, true));
  EXPECT_THROW(old.take(frame_of(1, 0, 1, true)), Error);
  EXPECT_THROW(old.take(frame_of(0, 0, 1, true)), Error);
  EXPECT_THROW(for (int i = 0; i < 40; ++i) old.take(frame_of(2, 0, kOldFrameIds, false)), Error);
}

TEST(OldVersion, WhatComesForAFileThatEndedIsLetGo) {
  OldContents old;
  old.take(files_of(3));
  old.take(frame_of(0, 0, 10, false));
  ASSERT_TRUE(old.begin(0, 0));
  old.end();
  for (int i = 0; i < 100; ++i) old.take(frame_of(0, 0, kOldFrameIds, false));
  old.take(frame_of(1, 0, 10, true));
  ASSERT_TRUE(old.begin(0, 1));
  EXPECT_TRUE(old.look_up(id_of(9)).has_value());
}

// Real pulls.

TEST(OldVersion, AnAppendedFileCostsItsOldNamesAndWhatIsNew) {
  PullWorld world;
  ensure_directory(world.source());
  const std::string content = noise(30'000'000, 1);
  put(world.source() + "/log", content);
  (void)world.pull();
  put(world.source() + "/log", content + noise(1000, 2));
  const auto second = world.pull();
  EXPECT_LT(second.received_bytes, 40'000U);
  EXPECT_LT(second.sent_bytes, 30'000'000U / 8192 * 9);
  EXPECT_EQ(world.differences(), "");
}

TEST(OldVersion, ManyFilesOfAPageAreFollowedOneAfterAnother) {
  PullWorld world;
  ensure_directory(world.source());
  for (int i = 0; i < 60; ++i) put(world.source() + "/f" + std::to_string(i), noise(200'000, 10 + i));
  (void)world.pull();
  for (int i = 0; i < 60; ++i) {
    std::string content = noise(200'000, 10 + i);
    content.replace(100'000, 5, "other");
    if (i % 7 == 3) content = "short";
    if (i % 7 == 4) content.clear();
    if (i % 7 == 5) content.insert(0, "before");
    put(world.source() + "/f" + std::to_string(i), content);
  }
  const auto second = world.pull();
  EXPECT_LT(second.received_bytes, 60U * 35'000);
  EXPECT_EQ(world.differences(), "");
}

TEST(OldVersion, HolesAndInlineStretchesBesideKeptChunksComeBackExactly) {
  PullWorld world;
  ensure_directory(world.source());
  const auto sparse = [&](const std::string& middle) {
    const Fd fd = open_file(world.source() + "/sparse", O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ASSERT_EQ(::pwrite(fd.get(), middle.data(), middle.size(), 10 << 20),
              static_cast<ssize_t>(middle.size()));
    ASSERT_EQ(::pwrite(fd.get(), middle.data(), middle.size(), 90 << 20),
              static_cast<ssize_t>(middle.size()));
    ASSERT_EQ(::ftruncate(fd.get(), 200 << 20), 0);
  };
  std::string middle = noise(1 << 20, 5);
  sparse(middle);
  (void)world.pull();
  middle[500'000] ^= 1;
  sparse(middle);
  const auto second = world.pull();
  EXPECT_LT(second.received_bytes, 200'000U);
  EXPECT_EQ(world.differences(), "");
}

// Pages of a database: 8 KiB each, some replaced.
std::string pages(std::size_t count, unsigned seed) { return noise(count * 8192, seed); }
// Forty of 4,000, far from each other.
void rewrite_pages(std::string& content) {
  for (std::size_t i = 0; i < 40; ++i)
    content.replace((i * 100 + 13) * 8192, 8192, pages(1, 1000 + static_cast<unsigned>(i)));
}

TEST(OldVersion, RewrittenPagesCostAboutTheirOwnSize) {
  PullWorld world;
  ensure_directory(world.source());
  std::string content = pages(4000, 7);
  put(world.source() + "/db", content);
  (void)world.pull();
  const std::uint64_t before = world.store_bytes();
  rewrite_pages(content);
  put(world.source() + "/db", content);
  const auto second = world.pull();
  EXPECT_LT(second.received_bytes, 40U * 8192 * 5 / 4);
  EXPECT_LT(second.sent_bytes, 60'000U);
  EXPECT_GT(world.store_bytes() - before, 40U * 8192);
  EXPECT_EQ(world.differences(), "");
}

TEST(OldVersion, OfADatabaseOnlyTheChangedPagesAreStored) {
  PullWorld world;
  ensure_directory(world.source());
  std::string content = pages(4000, 7);
  content.replace(0, 18, std::string("SQLite format 3\0\x20\0", 18));
  put(world.source() + "/db", content);
  (void)world.pull();
  const std::uint64_t before = world.store_bytes();
  rewrite_pages(content);
  put(world.source() + "/db", content);
  const auto second = world.pull();
  EXPECT_LT(second.received_bytes, 40U * 8192 + 20'000);
  EXPECT_LT(world.store_bytes() - before, 40U * 8192 + 60'000);  // lists, index
  EXPECT_EQ(world.differences(), "");
}

TEST(OldVersion, ASmallChangeInASmallFileCostsLittle) {
  PullWorld world;
  ensure_directory(world.source());
  std::string content = noise(12'000, 8);
  put(world.source() + "/a", content);
  (void)world.pull();
  content.replace(6000, 10, "0123456789");
  put(world.source() + "/a", content);
  EXPECT_LT(world.pull().received_bytes, 2500U);
  EXPECT_EQ(world.differences(), "");
}

TEST(OldVersion, AFileOfWhichNothingIsLeftIsSentWhole) {
  PullWorld world;
  ensure_directory(world.source());
  put(world.source() + "/a", noise(9'000'000, 20));
  (void)world.pull();
  put(world.source() + "/a", noise(9'000'000, 21));
  const auto second = world.pull();
  EXPECT_LT(second.received_bytes, 9'100'000U);
  EXPECT_LT(second.sent_bytes, 100'000U);  // signatures stop when they do not help
  EXPECT_EQ(world.differences(), "");
}

TEST(OldVersion, EveryPageChangedALittleCostsLittle) {
  PullWorld world;
  ensure_directory(world.source());
  std::string content = pages(1000, 9);
  put(world.source() + "/db", content);
  (void)world.pull();
  for (std::size_t i = 0; i < 1000; ++i) content.replace(i * 8192 + 100, 4, std::to_string(1000 + i));
  put(world.source() + "/db", content);
  const auto second = world.pull();
  EXPECT_LT(second.received_bytes, content.size() / 2);
  EXPECT_EQ(world.differences(), "");
}

TEST(OldVersion, LongPartsMovedInsertedAndCutOutComeBackExactly) {
  PullWorld world;
  ensure_directory(world.source());
  const std::string content = noise(12'000'000, 30);
  put(world.source() + "/a", content);
  (void)world.pull();
  const std::string changed = content.substr(8'000'000) + "in between" + content.substr(100, 3'000'000) +
                              noise(3'000'000, 31) + content.substr(5'000'000, 1'500'000);
  put(world.source() + "/a", changed);
  const auto second = world.pull();
  EXPECT_LT(second.received_bytes, 3'400'000U);
  EXPECT_EQ(world.differences(), "");
}

// An agent that understands windows and says what the test wants, for the second version of one file.
class Scripted : public ::testing::Test {
 protected:
  void SetUp() override {
    ensure_directory(world_.source());
    old_ = noise(300'000, 3);
    put(world_.source() + "/f", old_);
    (void)world_.pull();
    store::DirectoryReader reader(world_.store(), world_.newest()->root.node);
    const Entry file = *reader.find("f");
    store::for_each_extent(world_.store(), file, [&](const Extent& extent) { extents_.push_back(extent); });
  }
  // Says `items` of the changed file `f`, then `answer`; how it ends.
  std::optional<Kind> play(std::uint64_t size, std::vector<RecipeItem> items,
                           const std::optional<Delta>& answer = {}) {
    items.insert(items.begin(), BeginFile{0, 0, {}});
    items.emplace_back(EndFile{});
    AgentScript script(known_features());
    script.leave(1).page(0, 0, {script_file("f", size)}).recipe(0, std::move(items));
    if (answer) script.say(FrameType::Delta, *answer);
    ScriptStream stream(script.done().bytes());
    const auto writer = world_.writer();
    try {
      report_ = world_.pull_from(stream, *writer);
      world_.commit(*writer, report_);
      return std::nullopt;
    } catch (const Error& error) {
      return error.kind();
    }
  }
  [[nodiscard]] std::uint64_t sum() const {
    ChunkSum sum;
    for (const Extent& extent : extents_) sum.add(extent.id);
    return sum.finish();
  }

  PullWorld world_;
  PullReport report_;
  std::string old_;
  std::vector<Extent> extents_;
};

TEST_F(Scripted, AWholeFileMayBeKept) {
  EXPECT_EQ(play(old_.size(), {KeptItem{0, extents_.size()}, SumItem{sum()}}), std::nullopt);
  EXPECT_EQ(report_.flagged, 0U);
}

TEST_F(Scripted, AChunkThatOnlyLookedLikeTheOldOneFlagsItsFile) {
  // As when two ids begin alike: the sum is that of the true content.
  EXPECT_EQ(play(old_.size(), {KeptItem{0, 2}, KeptItem{-1, extents_.size() - 2}, SumItem{sum()}}),
            std::nullopt);
  EXPECT_EQ(report_.flagged, 1U);
  EXPECT_EQ(report_.skipped, std::vector<std::string>{"changed f"});
  EXPECT_EQ(report_.skipped_count, 1U);
  EXPECT_EQ(report_.root.listing, Digest{});  // looked at again in the next run
  const auto healed = world_.pull();
  EXPECT_EQ(healed.flagged, 0U);
  EXPECT_EQ(world_.differences(), "");
}

TEST_F(Scripted, KeptChunksOutsideOfTheWindowAreRefused) {
  const std::uint64_t count = extents_.size();
  EXPECT_EQ(play(old_.size(), {KeptItem{0, count + 1}, SumItem{}}), Kind::Protocol);
  EXPECT_EQ(play(old_.size(), {KeptItem{-1, 1}, SumItem{}}), Kind::Protocol);
  EXPECT_EQ(play(old_.size(), {KeptItem{1, count}, SumItem{}}), Kind::Protocol);
  EXPECT_EQ(play(old_.size(), {KeptItem{std::numeric_limits<std::int64_t>::min(), 1}, SumItem{}}),
            Kind::Protocol);
  EXPECT_EQ(play(old_.size(), {KeptItem{std::numeric_limits<std::int64_t>::max(), kOldWindow}, SumItem{}}),
            Kind::Protocol);
}

TEST_F(Scripted, KeptChunksNeedTheirSumAndAnOldVersion) {
  const std::uint64_t count = extents_.size();
  EXPECT_EQ(play(old_.size(), {KeptItem{0, count}}), Kind::Protocol);
  EXPECT_EQ(play(old_.size(), {SumItem{sum()}}), Kind::Protocol);
  EXPECT_EQ(play(old_.size(), {KeptItem{0, count}, SumItem{sum()}, SumItem{sum()}}), Kind::Protocol);
  // Begun again: the old version counts no more.
  EXPECT_EQ(play(old_.size(), {KeptItem{0, 1}, BeginFile{0, 0, {}}, KeptItem{0, count}, SumItem{sum()}}),
            Kind::Protocol);
}

TEST_F(Scripted, ADeltaMakesTheAnnouncedChunksOrIsRefused) {
  const std::string basis = old_.substr(extents_[0].bytes, extents_[1].bytes);
  std::string changed = basis;
  changed.replace(1000, 3, "new");
  const std::uint32_t block = block_size_for(basis.size());
  const std::string delta = make_delta(block_sums(basis, block), block, changed);
  const ChunkItem chunk{static_cast<std::uint32_t>(changed.size()), chunk_id(ObjectKind::Data, changed)};
  ChunkSum sum;
  for (std::size_t i = 0; i < extents_.size(); ++i) sum.add(i == 1 ? chunk.id : extents_[i].id);
  const std::vector<RecipeItem> items{KeptItem{0, 1}, chunk, KeptItem{1, extents_.size() - 2},
                                      SumItem{sum.finish()}};
  const auto size = static_cast<std::uint32_t>(delta.size());
  const auto answer = [&](std::vector<std::uint32_t> lengths, const std::string& body) {
    return Delta{0, std::move(lengths), {Codec::Raw, body, static_cast<std::uint32_t>(body.size())}};
  };
  EXPECT_EQ(play(old_.size(), items, answer({size}, delta.substr(0, size - 1))), Kind::Protocol);
  EXPECT_EQ(play(old_.size(), items, answer({size}, delta + "x")), Kind::Protocol);
  EXPECT_EQ(play(old_.size(), items, answer({size, size}, delta)), Kind::Protocol);
  EXPECT_EQ(play(old_.size(), items, answer({}, delta)), Kind::Protocol);
  EXPECT_EQ(play(old_.size(), items, answer({size - 1}, delta)), Kind::Protocol);
  const std::string other = make_delta(block_sums(basis, block), block, basis);
  EXPECT_EQ(play(old_.size(), items, answer({static_cast<std::uint32_t>(other.size())}, other)),
            Kind::Protocol);
  EXPECT_EQ(play(old_.size(), items, Delta{0, {size}, {Codec::Zstd, delta, 100'000}}), Kind::Protocol);
  EXPECT_EQ(play(old_.size(), {KeptItem{0, 1}, SumItem{}}, answer({size}, delta)), Kind::Protocol);
  EXPECT_EQ(play(old_.size(), items, answer({size}, delta)), std::nullopt);
  EXPECT_EQ(report_.flagged, 0U);
}

TEST(DeltaAnswer, SignaturesThatDoNotFitTheBatchAreRefused) {
  agent::BatchContent batch{0, "content", {7}, {}};
  Bitmap need;
  need.push_back(true);
  GroupEncoder encoder;
  const Signatures far{0, {{1, 1, 512, std::string(kBlockSumBytes, 'x')}}};
  EXPECT_THROW((void)agent::answer_with_delta(batch, need, far, encoder), Error);
}

TEST(DeltaAnswer, WhatResemblesNothingIsSentWhole) {
  agent::BatchContent batch{0, noise(100'000, 1), {50'000, 50'000}, {}};
  Bitmap need;
  need.push_back(true);
  need.push_back(true);
  GroupEncoder encoder;
  const Signatures old{0, {{0, 2, 512, block_sums(noise(100'000, 2), 512)}}};
  EXPECT_FALSE(agent::answer_with_delta(batch, need, old, encoder).has_value());
}

}  // namespace
}  // namespace bk::test
