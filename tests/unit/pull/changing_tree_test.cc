// Trees that change while they are read, entries that cannot be read, and directories too large to be kept.
#include "common/error/error.h"
#include "common/io/file.h"
#include "server/store/tree.h"
#include "tests/support/content.h"
#include "tests/support/pull_script.h"
#include "tests/support/pull_world.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <thread>

namespace bk::test {
namespace {

using namespace bk::pull;

std::map<std::string, Entry> entries_of(store::Store& store, const Entry& directory) {
  std::map<std::string, Entry> entries;
  store::DirectoryReader reader(store, directory.node);
  while (auto entry = reader.next()) entries[entry->name] = *entry;
  return entries;
}

std::string content_of(store::Store& store, const Entry& file) {
  std::string content;
  store::for_each_extent(store, file, [&](const Extent& extent) {
    if (extent.kind == Extent::Kind::Chunk) content += store.read(ObjectKind::Data, extent.id);
    if (extent.kind == Extent::Kind::Inline) content += extent.inline_data;
    if (extent.kind == Extent::Kind::Hole) content.append(extent.bytes, '\0');
  });
  return content;
}

// Runs `change` again and again in a thread of its own for as long as it lives.
class Meanwhile {
 public:
  explicit Meanwhile(std::function<void(int)> change)
      : thread_([this, change = std::move(change)] {
          for (int round = 0; !stop_; ++round) change(round);
        }) {}
  ~Meanwhile() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

TEST(ChangingTree, AFileWrittenInPlaceIsStoredAndFlaggedAndReadAgainInTheNextRun) {
  PullWorld world;
  ensure_directory(world.source());
  put(world.source() + "/log", std::string(20'000'000, 'x'));
  put(world.source() + "/still", "still");
  pull::PullReport report;
  {
    const Fd fd = open_file(world.source() + "/log", O_WRONLY);
    const Meanwhile writer([&](int round) {
      const char byte = static_cast<char>('a' + round % 26);
      (void)!::pwrite(fd.get(), &byte, 1, 1000);
    });
    // On a busy machine the writer may sleep through a whole read; a detection that is missing never flags.
    for (int run = 0; run < 8 && report.flagged == 0; ++run) report = world.pull();
  }
  EXPECT_EQ(report.flagged, 1U);
  EXPECT_EQ(report.skipped, std::vector<std::string>{"changed log"});
  auto entries = entries_of(world.store(), report.root);
  EXPECT_TRUE(entries["log"].changed_while_read);
  EXPECT_FALSE(entries["still"].changed_while_read);
  EXPECT_EQ(content_of(world.store(), entries["log"]).size(), entries["log"].size);
  const auto next = world.pull();
  EXPECT_EQ(next.read_files, 1U);
  EXPECT_EQ(next.skipped_count, 0U);
  EXPECT_EQ(world.differences(), "");
}

TEST(ChangingTree, AFileReplacedByRenameIsNeverTorn) {
  PullWorld world;
  ensure_directory(world.source());
  const auto version = [](int round) { return std::string(200'000, static_cast<char>('a' + round % 26)); };
  put(world.source() + "/atomic", version(0));
  const Meanwhile writer([&](int round) {
    put(world.file("next"), version(round));
    (void)::rename(world.file("next").c_str(), (world.source() + "/atomic").c_str());
  });
  for (int run = 0; run < 10; ++run) {
    const auto report = world.pull();
    auto entries = entries_of(world.store(), report.root);
    ASSERT_EQ(entries.count("atomic"), 1U);
    if (entries["atomic"].changed_while_read) continue;
    const std::string content = content_of(world.store(), entries["atomic"]);
    EXPECT_EQ(content, std::string(200'000, content.at(0)));
  }
}

TEST(ChangingTree, ADirectorySwappedForASymlinkNeverLeadsOutsideAndAFileSwappedForAFifoNeverHangs) {
  PullWorld world;
  ensure_directory(world.source() + "/d");
  ensure_directory(world.file("outside"));
  put(world.file("outside") + "/f", "SECRET");
  put(world.source() + "/d/f", "inside");
  put(world.source() + "/file", "inside");
  ASSERT_EQ(::symlink(world.file("outside").c_str(), world.file("link").c_str()), 0);
  ASSERT_EQ(::mkfifo(world.file("fifo").c_str(), 0600), 0);
  const Meanwhile swapper([&](int) {
    for (const auto& [a, b] : {std::pair{world.source() + "/d", world.file("link")},
                               std::pair{world.source() + "/file", world.file("fifo")}}) {
      (void)::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE);
    }
  });
  for (int run = 0; run < 40; ++run) {
    const auto report = world.pull();
    for (const auto& [name, entry] : entries_of(world.store(), report.root)) {
      if (entry.type == EntryType::File) {
        EXPECT_EQ(content_of(world.store(), entry), "inside");
      }
      if (entry.type != EntryType::Directory) continue;
      for (const auto& [below, file] : entries_of(world.store(), entry)) {
        EXPECT_EQ(content_of(world.store(), file), "inside") << below;
      }
    }
  }
}

// For a moment its directory was another one: when it is back, nothing about it has changed.
TEST(ChangingTree, ADirectoryFromWhichAFileVanishedIsLookedAtAgain) {
  PullWorld world;
  const auto writer = world.writer();
  const auto script = AgentScript()
                          .leave(1)
                          .page(0, 0, {script_file("f", 0)})
                          .recipe(0, {BeginFile{}, EndFile{FileStatus::Vanished, {}}})
                          .done();
  ScriptStream stream(script.bytes(), 0);
  EXPECT_EQ(world.pull_from(stream, *writer).root.listing, Digest{});
}

// Does something when the server's first answer goes out: the agent has walked, and not yet read.
class BetweenWalkAndReading final : public ByteStream {
 public:
  BetweenWalkAndReading(ByteStream& inner, std::function<void()> act) : inner_(inner), act_(std::move(act)) {}
  std::size_t read(void* buffer, std::size_t size, Millis deadline) override {
    return inner_.read(buffer, size, deadline);
  }
  std::size_t try_read(void* buffer, std::size_t size) override { return inner_.try_read(buffer, size); }
  bool wait(Millis limit) override { return inner_.wait(limit); }
  void write(std::string_view bytes, Millis deadline) override {
    if (++writes_ == 2) act_();
    inner_.write(bytes, deadline);
  }
  std::optional<int> exit_status(Millis deadline) override { return inner_.exit_status(deadline); }

 private:
  ByteStream& inner_;
  std::function<void()> act_;
  int writes_ = 0;
};

TEST(ChangingTree, DirectoriesExchangedAfterTheWalkAreNeverMixed) {
  PullWorld world;
  for (const char* name : {"/a", "/b"}) {
    ensure_directory(world.source() + name);
    put(world.source() + name + "/file", std::string("of ") + name);
    ASSERT_EQ(::symlink(name, (world.source() + name + "/link").c_str()), 0);
  }
  const auto exchange = [&] {
    ASSERT_EQ(::renameat2(AT_FDCWD, (world.source() + "/a").c_str(), AT_FDCWD,
                          (world.source() + "/b").c_str(), RENAME_EXCHANGE),
              0);
  };
  {
    AgentProcess agent({world.source()});
    BetweenWalkAndReading stream(agent.stream(), exchange);
    const auto writer = world.writer();
    const auto report = world.pull_from(stream, *writer);
    world.commit(*writer, report);
    EXPECT_EQ(report.vanished, 4U);
    EXPECT_EQ(report.skipped_count, 0U);
  }
  exchange();
  (void)world.pull();
  EXPECT_EQ(world.differences(), "");
}

TEST(ChangingTree, ATreeUnderConstantChangeNeverEndsARun) {
  PullWorld world;
  ensure_directory(world.source());
  const Meanwhile churn([&](int round) {
    const std::string directory = fmt::format("{}/d{}", world.source(), round % 7);
    (void)::mkdir(directory.c_str(), 0755);
    for (int i = 0; i < 5; ++i)
      put(fmt::format("{}/d{}/f{}", world.source(), round % 7, i), std::string(3000, 'x'));
    if (round % 3 == 0) remove_tree(fmt::format("{}/d{}", world.source(), (round + 3) % 7));
  });
  for (int run = 0; run < 20; ++run) EXPECT_NO_THROW((void)world.pull());
}

// As another user than root, for whom a file can be unreadable.
class AsNobody : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become somebody else";
  }
  // Pulls through an agent that runs as nobody.
  pull::PullReport pull_as_nobody(PullWorld& world) { return world.pull({"--as-nobody"}); }
};

TEST_F(AsNobody, UnreadableFilesAndDirectoriesAreNamedAndTheRunGoesOn) {
  PullWorld world;
  ASSERT_EQ(::chmod(world.file("").c_str(), 0755), 0);
  ensure_directory(world.source(), 0755);
  put(world.source() + "/open", "open");
  put(world.source() + "/secret", "secret");
  ASSERT_EQ(::chmod((world.source() + "/secret").c_str(), 0600), 0);
  ensure_directory(world.source() + "/closed/sub", 0700);
  ensure_directory(world.source() + "/unsearchable", 0755);
  put(world.source() + "/unsearchable/f", "f");
  ASSERT_EQ(::chmod((world.source() + "/unsearchable").c_str(), 0744), 0);
  const std::vector<std::string> expected{"unreadable:EACCES closed", "unreadable:EACCES unsearchable/f",
                                          "unreadable:EACCES secret"};
  for (int run = 0; run < 2; ++run) {  // named again in an unchanged second run
    const auto report = pull_as_nobody(world);
    EXPECT_EQ(report.skipped, expected);
    auto entries = entries_of(world.store(), report.root);
    EXPECT_EQ(content_of(world.store(), entries["open"]), "open");
    EXPECT_TRUE(entries["secret"].unreadable);
    EXPECT_TRUE(entries["closed"].unreadable);
  }
  ASSERT_EQ(::chmod((world.source() + "/secret").c_str(), 0644), 0);
  ASSERT_EQ(::chmod((world.source() + "/closed").c_str(), 0755), 0);
  ASSERT_EQ(::chmod((world.source() + "/closed/sub").c_str(), 0755), 0);
  ASSERT_EQ(::chmod((world.source() + "/unsearchable").c_str(), 0755), 0);
  EXPECT_EQ(pull_as_nobody(world).skipped_count, 0U);
  EXPECT_EQ(world.differences(), "");
}

TEST(ManyEntries, ADirectoryWhoseListingIsTooLongToKeepIsListedAgain) {
  PullWorld world;
  ensure_directory(world.source());
  for (int i = 0; i < 20; ++i) ensure_directory(fmt::format("{}/{:05}-directory", world.source(), i * 1000));
  for (int i = 0; i < 20'000; ++i)
    put(fmt::format("{}/{:05}-{}", world.source(), i, std::string(60, 'n')), "");
  const auto first = world.pull();
  EXPECT_EQ(first.files, 20'000U);
  const auto second = world.pull();
  EXPECT_EQ(second.root.node, first.root.node);
  EXPECT_EQ(second.wanted_directories, 0U);
  put(world.source() + "/00017-changed", "new");
  const auto third = world.pull();
  EXPECT_EQ(third.read_files, 1U);
  EXPECT_EQ(entries_of(world.store(), third.root).size(), 20'021U);
}

}  // namespace
}  // namespace bk::test
