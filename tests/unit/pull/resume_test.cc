// What a cut costs: a pull that ended anywhere is taken up where it was; nothing is sent or read again but a
// little, and the snapshot is what the tree is now.
#include "common/error/error.h"
#include "common/io/file.h"
#include "server/store/tree.h"
#include "tests/support/content.h"
#include "tests/support/pull_script.h"
#include "tests/support/pull_world.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>

namespace bk::test {
namespace {

constexpr std::uint64_t kGroup = 1U << 20U;
constexpr std::uint64_t kEntries = 120'000;       // of the whole tree, once more
constexpr std::uint64_t kInFlight = 10 * kGroup;  // read, and on its way when the line was cut

// Ends, without a word, behind so many bytes of the agent's; or `then` happens there.
class CutStream final : public pull::ByteStream {
 public:
  CutStream(pull::ByteStream& inner, std::uint64_t bytes, std::function<void()> then = {})
      : inner_(inner), left_(bytes), then_(std::move(then)) {}
  std::size_t read(void* buffer, std::size_t size, pull::Millis deadline) override {
    if (left_ == 0) return 0;
    return took(inner_.read(buffer, std::min<std::uint64_t>(size, left_), deadline));
  }
  std::size_t try_read(void* buffer, std::size_t size) override {
    return left_ == 0 ? 0 : took(inner_.try_read(buffer, std::min<std::uint64_t>(size, left_)));
  }
  bool wait(pull::Millis limit) override { return left_ == 0 || inner_.wait(limit); }
  void write(std::string_view bytes, pull::Millis deadline) override { inner_.write(bytes, deadline); }
  std::optional<int> exit_status(pull::Millis) override { return std::nullopt; }

 private:
  std::size_t took(std::size_t bytes) {
    left_ -= bytes;
    if (left_ == 0 && then_) {
      then_();
      left_ = UINT64_MAX;
    }
    return bytes;
  }
  pull::ByteStream& inner_;
  std::uint64_t left_;
  std::function<void()> then_;
};

class Resume : public ::testing::Test {
 protected:
  void SetUp() override { ensure_directory(world_.source()); }
  [[nodiscard]] std::string at(const std::string& name) const { return world_.source() + "/" + name; }
  void file(const std::string& name, std::size_t size, std::uint32_t seed) {
    put(at(name), noise(size, seed));
    bytes_ += size;
  }
  // Folders in folders with files of every size: 24 MB in 400 files.
  void make_tree() {
    std::uint32_t seed = 1;
    for (const char* folder : {"a", "a/deep", "a/deep/er", "b", "c", "c/x", "c/y"}) {
      ensure_directory(at(folder));
      for (int i = 0; i < 50; ++i) {
        file(std::string(folder) + "/" + std::to_string(i), 100 + static_cast<std::size_t>(i) * 600, seed);
        ++seed;
      }
    }
    for (int i = 0; i < 6; ++i) file("large" + std::to_string(i), 3'000'000, ++seed);
  }

  // A pull that is cut there.
  void cut_after(std::uint64_t bytes, pull::PullOptions options = {}) {
    AgentProcess agent({world_.source()});
    CutStream stream(agent.stream(), bytes);
    const auto writer = world_.writer();
    EXPECT_THROW((void)world_.resume_from(stream, *writer, std::move(options)), Error);
  }
  pull::PullReport finish() {
    AgentProcess agent({world_.source()});
    const auto writer = world_.writer();
    pull::PullReport report = world_.resume_from(agent.stream(), *writer);
    world_.commit(*writer, report);
    return report;
  }
  // The same tree in one piece, into another store.
  std::uint64_t whole() {
    AgentProcess agent({world_.source()});
    const auto other = store::Store::open(world_.file("other"), true);
    const auto writer = other->writer("web1", "directories", "rsync", world_.source());
    return pull::pull_tree(agent.stream(), *other, *writer, {}, world_.source()).received_bytes;
  }

  PullWorld world_;
  std::uint64_t bytes_ = 0;
};

TEST_F(Resume, ACutAnywhereSendsAtMostOneGroupAgainAndReadsLittleAgain) {
  make_tree();
  const std::uint64_t all = whole();
  for (const std::uint64_t tenth : {1U, 4U, 7U, 9U}) {
    world_.reopen(true);
    const std::uint64_t cut = all * tenth / 10 + 37;
    cut_after(cut);
    const auto report = finish();
    EXPECT_LT(cut + report.received_bytes, all + kGroup + kEntries) << "cut after " << cut;
    EXPECT_LT(report.read_bytes, bytes_ - std::min(bytes_, cut) + kInFlight) << "cut after " << cut;
    EXPECT_EQ(world_.differences("cut" + std::to_string(tenth)), "");
  }
}

TEST_F(Resume, WhatCameBeforeTheTimeWasUpIsKept) {
  for (int i = 0; i < 3; ++i) file("large" + std::to_string(i), 3'000'000, static_cast<std::uint32_t>(i));
  AgentProcess agent({world_.source()});
  RecordingStream recorded(agent.stream());
  const auto other = store::Store::open(world_.file("other"), true);
  const auto into = other->writer("web1", "directories", "rsync", world_.source());
  (void)pull::pull_tree(recorded, *other, *into, {}, world_.source());
  // All of that lies in the session already when it is ended.
  ScriptStream session(recorded.from_agent());
  const auto writer = world_.writer();
  pull::PullOptions options;
  options.progress = [](const pull::PullProgress&) { throw Error(Kind::Cancelled, "enough"); };
  try {
    (void)world_.resume_from(session, *writer, std::move(options));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Cancelled) << error.what();
  }
  const pull::PullReport rest = finish();
  EXPECT_LT(rest.received_bytes, kGroup);
  EXPECT_EQ(world_.differences(), "");
}

TEST_F(Resume, AKilledAgentIsACut) {
  make_tree();
  const std::uint64_t all = whole();
  std::uint64_t got = 0;
  {
    AgentProcess agent({world_.source()});
    CutStream stream(agent.stream(), all / 2, [&] { (void)::kill(agent.child().pid(), SIGKILL); });
    RecordingStream recording(stream);
    const auto writer = world_.writer();
    EXPECT_THROW((void)world_.resume_from(recording, *writer), Error);
    got = recording.from_agent().size();
  }
  const auto report = finish();
  EXPECT_LT(got + report.received_bytes, all + kGroup + kEntries);
  EXPECT_LT(report.read_bytes, bytes_ - all / 2 + kInFlight);
  EXPECT_EQ(world_.differences(), "");
}

// SIGKILL of the process that pulls: nothing can be noted any more, so what was noted before counts.
TEST_F(Resume, AKilledServerReadsAgainWhatCameSinceTheLastCheckpointAndSendsOneGroup) {
  make_tree();
  const std::uint64_t all = whole();
  const std::uint64_t cut = all * 6 / 10;
  constexpr std::uint64_t kEvery = 3'000'000;
  const pid_t child = ::fork();
  if (child == 0) {
    world_.reopen();
    AgentProcess agent({world_.source()});
    CutStream stream(agent.stream(), cut, [] { (void)::kill(::getpid(), SIGKILL); });
    const auto writer = world_.writer();
    pull::PullOptions options;
    options.checkpoint_bytes = kEvery;
    (void)world_.resume_from(stream, *writer, options);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  world_.reopen();
  const auto report = finish();
  EXPECT_LT(cut + report.received_bytes, all + kGroup + kEntries);
  EXPECT_LT(report.read_bytes, bytes_ - cut + kEvery + kInFlight);
  EXPECT_EQ(world_.differences(), "");
}

TEST_F(Resume, ARunThatIsCutEarlyDoesNotForgetWhatTheRunBeforeItHad) {
  make_tree();
  const std::uint64_t all = whole();
  cut_after(all * 8 / 10);
  cut_after(3000);
  cut_after(20'000);
  const auto report = finish();
  EXPECT_LT(report.read_bytes, bytes_ * 2 / 10 + kInFlight);
  EXPECT_EQ(world_.differences(), "");
}

TEST_F(Resume, WhatChangedMeanwhileIsReadAgain) {
  make_tree();
  const std::uint64_t all = whole();
  cut_after(all * 8 / 10);
  put(at("a/deep/7"), "other");
  put(at("large0"), noise(3'000'000, 4711));
  ASSERT_EQ(::unlink(at("a/3").c_str()), 0);
  ASSERT_EQ(::rename(at("b").c_str(), at("b2").c_str()), 0);
  ensure_directory(at("a/new"));
  put(at("a/new/one"), "new");
  ASSERT_EQ(::chmod(at("c/x/9").c_str(), 0600), 0);
  ASSERT_EQ(::unlink(at("c/x/8").c_str()), 0);
  ensure_directory(at("c/x/8"));
  (void)finish();
  EXPECT_EQ(world_.differences(), "");
}

TEST_F(Resume, ASnapshotAndACheckpointAreBothComparedWith) {
  make_tree();
  (void)finish();
  EXPECT_EQ(world_.store().checkpoint("web1", "directories", "rsync", world_.source()), std::nullopt);
  std::uint32_t seed = 5000;
  for (int i = 0; i < 6; ++i) put(at("large" + std::to_string(i)), noise(3'000'000, ++seed));
  for (int i = 0; i < 50; ++i) put(at("c/y/" + std::to_string(i)), noise(20'000, ++seed));
  cut_after(14'000'000);
  const auto report = finish();
  EXPECT_LT(report.read_bytes, 19'000'000 - 14'000'000 + kInFlight);
  EXPECT_EQ(world_.differences(), "");
  EXPECT_EQ(finish().wanted_directories, 0U);
}

// Its digest would match the next walk, and the file stay away for ever.
TEST_F(Resume, ADirectoryFromWhichAFileVanishedIsLookedAtAgain) {
  const ChunkId wanted = chunk_id(ObjectKind::Data, std::string(600, 'x'));
  const auto script =
      AgentScript()
          .enter("a")
          .leave(1)
          .page(0, 0, {script_file("blocks", 600)})
          .recipe(0, {pull::BeginFile{0, 0, {}}, pull::ChunkItem{600, wanted}, pull::EndFile{}})
          .enter("b")
          .leave(1)
          .page(1, 1, {script_file("f", 0)})
          .recipe(1, {pull::BeginFile{1, 0, {}}, pull::EndFile{pull::FileStatus::Vanished, {}}});
  ScriptStream stream(script.bytes());
  const auto writer = world_.writer();
  pull::PullOptions options;
  std::optional<Entry> b;
  options.checkpoint = [&](const Entry& root) {
    writer->sync();
    store::DirectoryReader reader(world_.store(), root.node);
    b = reader.find("b");
  };
  EXPECT_THROW((void)world_.pull_from(stream, *writer, options), Error);
  ASSERT_TRUE(b);
  EXPECT_EQ(b->listing, Digest{});
}

TEST_F(Resume, AHalfReadDirectoryCounts) {
  const std::string shared = noise(8'000'000, 1);
  for (std::size_t i = 0; i < 1500; ++i) put(at(std::to_string(i)), shared.substr(i * 5000, 8000));
  const std::uint64_t all = whole();
  cut_after(all * 9 / 10);
  const auto report = finish();
  EXPECT_LT(report.read_files, 1300U);
  EXPECT_EQ(world_.differences(), "");
}

TEST_F(Resume, ADirectoryOfManyFoldersCounts) {
  for (int i = 0; i < 500; ++i) {
    ensure_directory(at("d" + std::to_string(i)));
    put(at("d" + std::to_string(i) + "/f"), noise(2000, static_cast<std::uint32_t>(i)));
  }
  const std::uint64_t all = whole();
  pull::PullOptions options;
  options.checkpoint_bytes = 250'000;
  cut_after(all * 7 / 10, options);
  const auto report = finish();
  EXPECT_LT(report.read_files, 400U);
  EXPECT_EQ(world_.differences(), "");
}

// One file, 100 MB, cut in its middle.
class ResumeLong : public Resume {
 protected:
  void SetUp() override {
    Resume::SetUp();
    content_ = noise(100'000'000, 77);
    put(at("long"), content_);
    put(at("z"), "behind it");
  }
  std::string content_;
};

TEST_F(ResumeLong, ReadingGoesOnBehindTheStoredBeginning) {
  cut_after(70'000'000);
  cut_after(2000);  // before it comes to the file: the beginning is kept
  const auto report = finish();
  EXPECT_LT(report.read_bytes, 30'000'000 + kInFlight);
  EXPECT_LT(report.received_bytes, 30'000'000 + 2 * kGroup);
  EXPECT_EQ(report.flagged, 0U);
  EXPECT_EQ(world_.differences(), "");
}

TEST_F(ResumeLong, SeveralCutsInOneFileEachGetFurther) {
  cut_after(45'000'000);
  cut_after(15'000'000);
  cut_after(15'000'000);
  const auto report = finish();
  EXPECT_LT(report.read_bytes, 30'000'000 + kInFlight);
  EXPECT_EQ(world_.differences(), "");
}

TEST_F(ResumeLong, AFileThatChangedMeanwhileIsReadFromItsBeginning) {
  cut_after(70'000'000);
  content_.replace(1000, 10, "0123456789");
  put(at("long"), content_);
  const auto report = finish();
  EXPECT_GE(report.read_bytes, content_.size());
  EXPECT_EQ(world_.differences(), "");
}

}  // namespace
}  // namespace bk::test
