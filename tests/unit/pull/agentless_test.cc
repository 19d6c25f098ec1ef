// A tree from a client that has nothing but an SFTP server.
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/random/random.h"
#include "server/pull/agentless/sftp_tree.h"
#include "server/pull/driver.h"
#include "tests/support/pull_world.h"
#include "tests/support/sshd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

namespace bk::pull {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLong = 75U << 20U, kSegment = 64U << 20U;  // a segment is what a cut leaves

test::Sshd::Options plain_sftp() {
  test::Sshd::Options options;
  options.key_options = "restrict ";
  options.config = {"Subsystem sftp internal-sftp -R"};
  return options;
}

class Agentless : public testing::Test {
 protected:
  Agentless() {
    fs::create_directories(tree());
    fs::create_directories(dir_.file("home/tmp"));
  }
  [[nodiscard]] std::string tree() const { return dir_.file("tree"); }
  void write(const std::string& name, const std::string& content, std::int64_t mtime = 1'600'000'000) const {
    const std::string path = tree() + "/" + name;
    fs::create_directories(fs::path(path).parent_path());
    replace_durably(path, content);
    const timespec times[2] = {{mtime, 0}, {mtime, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }
  // Pulls and commits.
  Pulled pull(
      std::function<void()> alive = [] {}, std::chrono::seconds total = std::chrono::seconds(60)) {
    const auto writer = store_->writer("nas", "directories", "rsync", tree());
    Surroundings around{dir_.file("home"),   "",    sshd_.endpoint(), *store_, *writer, newest_,
                        SystemClock().now(), total, std::move(alive), false};
    around.rules = rules_;
    around.begun = store_->checkpoint("nas", "directories", "rsync", tree());
    around.checkpoint_bytes = checkpoint_bytes_;
    Job job;
    job.client = "nas";
    job.request.module = "directories";
    job.request.method = "rsync";
    job.request.name = job.request.place = tree();
    Pulled out = pull_agentless(job, around);
    store::SnapshotRecord record;
    record.client = "nas";
    record.module = "directories";
    record.method = "rsync";
    record.name = tree();
    record.began = record.ended = around.now;
    record.root = out.root;
    newest_ = writer->commit(std::move(record));
    return out;
  }
  // A long file, zeros behind `beginning`.
  void write_long(const std::string& beginning, std::int64_t mtime) const {
    write("long", beginning);
    const std::string path = tree() + "/long";
    ASSERT_EQ(::truncate(path.c_str(), kLong), 0);
    const timespec times[2] = {{mtime, 0}, {mtime, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }
  // A pull of it ends behind its first segment.
  void cut_in_the_middle() {
    std::size_t looks = 0;
    EXPECT_THROW((void)pull([&] {
                   if (++looks == (kSegment + (4U << 20U)) / 65536) sshd_.stop();
                 }),
                 Error);
    ASSERT_TRUE(store_->checkpoint("nas", "directories", "rsync", tree()));
    sshd_.start();
  }
  [[nodiscard]] std::string exported(const std::string& name) {
    const std::string folder = dir_.file("export-" + std::to_string(++exports_));
    test::export_tree(*store_, newest_->root, folder);
    const std::string to = folder + "/root";
    return name.empty() ? to : read_file(to + "/" + name);
  }

  test::TempDir dir_;
  test::Sshd sshd_{plain_sftp()};
  std::unique_ptr<store::Store> store_ = store::Store::open(dir_.file("store"), true);
  std::optional<store::SnapshotRecord> newest_;
  TreeRules rules_;
  std::uint64_t checkpoint_bytes_ = 0;
  int exports_ = 0;
};

TEST_F(Agentless, ATreeOfFilesDirectoriesLinksAndPipesComesWhole) {
  for (const std::size_t size : {0U, 1U, 511U, 512U, 513U, 65536U, 3000000U})
    write("sizes/" + std::to_string(size), SystemRandom().bytes(size));
  write("names/\xff\xfe not text\n", "a");
  write("deep/a/b/c/d/e/f/g/h/file", "deep");
  fs::create_directories(tree() + "/empty");
  ASSERT_EQ(::chmod((tree() + "/empty").c_str(), 01711), 0);
  ASSERT_EQ(::symlink("../nowhere \xff", (tree() + "/link").c_str()), 0);
  ASSERT_EQ(::mkfifo((tree() + "/pipe").c_str(), 0640), 0);
  const Pulled pulled = pull();
  EXPECT_EQ(pulled.files, 9U);
  EXPECT_EQ(pulled.others, 2U);
  EXPECT_EQ(pulled.skipped_count, 0U);
  EXPECT_EQ(test::run_tool({"diff", "-r", "--no-dereference", "-x", "pipe", tree(), exported("")}), "");
  struct stat facts {};
  ASSERT_EQ(::lstat((dir_.file("export-1") + "/root/empty").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 01711U);
  ASSERT_EQ(::lstat((dir_.file("export-1") + "/root/pipe").c_str(), &facts), 0);
  EXPECT_TRUE(S_ISFIFO(facts.st_mode));
  ASSERT_EQ(::lstat((dir_.file("export-1") + "/root/sizes/512").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mtim.tv_sec, 1'600'000'000);
}

TEST_F(Agentless, AListingLongerThanItsMemoryComesSortedAndWhole) {
  fs::create_directories(dir_.file("tmp"));
  const auto file = std::make_shared<SpillFile>(dir_.file("tmp"));
  Listing listing(file);
  constexpr int kNames = 200000;
  for (int i = 0; i < kNames; ++i) {
    ssh::Sftp::Facts facts;
    facts.bytes = static_cast<std::uint64_t>(i);
    if (i % 2 == 0) facts.mode = S_IFREG | 0644;
    listing.add("name " + std::to_string((i * 7919LL) % kNames), facts);
  }
  listing.sort();
  listing.set_aside(file);
  std::string before;
  int count = 0;
  while (const std::optional<Listed> listed = listing.next()) {
    EXPECT_LT(before, listed->name);
    EXPECT_EQ("name " + std::to_string((listed->facts.bytes * 7919) % kNames), listed->name);
    EXPECT_EQ(listed->facts.mode.has_value(), listed->facts.bytes % 2 == 0);
    before = listed->name;
    ++count;
  }
  EXPECT_EQ(count, kNames);
}

TEST_F(Agentless, SizeAndTimeDecideWhatIsReadAgain) {
  write("same", "old content");
  write("longer", "old content");
  write("touched", "old content");
  (void)pull();
  write("same", "NEW CONTENT");  // the documented limit: neither size nor time say it
  write("longer", "old content, and more");
  write("touched", "NEW CONTENT", 1'600'000'001);
  write("added", "new");
  (void)pull();
  EXPECT_EQ(exported("same"), "old content");
  EXPECT_EQ(exported("longer"), "old content, and more");
  EXPECT_EQ(exported("touched"), "NEW CONTENT");
  EXPECT_EQ(exported("added"), "new");
}

TEST_F(Agentless, AFileWrittenJustBeforeThePullIsReadAgainByTheNext) {
  const std::int64_t now = SystemClock().now().seconds;
  write("young", "old content", now);
  (void)pull();
  write("young", "NEW CONTENT", now);  // within the same second
  (void)pull();
  EXPECT_EQ(exported("young"), "NEW CONTENT");
}

TEST_F(Agentless, WhatGoesAwayAndComesAndChangesItsTypeIsFollowed) {
  write("file", "1");
  write("folder/inside", "2");
  (void)pull();
  fs::remove(tree() + "/file");
  fs::create_directories(tree() + "/file");
  fs::remove_all(tree() + "/folder");
  write("folder", "now a file");
  (void)pull();
  EXPECT_EQ(exported("folder"), "now a file");
  EXPECT_TRUE(fs::is_directory(dir_.file("export-1") + "/root/file"));
}

TEST_F(Agentless, AFileThatKeepsChangingIsStoredAndFlagged) {
  write("busy", std::string(600000, 'a'));
  std::size_t turn = 0;
  const Pulled pulled = pull([&] {
    // Another length each time somebody looks.
    EXPECT_EQ(::truncate((tree() + "/busy").c_str(), static_cast<off_t>(300000 + ++turn)), 0);
  });
  ASSERT_EQ(pulled.skipped_count, 1U);
  EXPECT_EQ(pulled.skipped.at(0), "changed busy");
}

TEST_F(Agentless, AFileWithoutAnEndMeetsTheTimeLimit) {
  write("endless", "");
  ASSERT_EQ(::truncate((tree() + "/endless").c_str(), std::int64_t{1} << 42), 0);
  try {
    (void)pull([] {}, std::chrono::seconds(1));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Cancelled);
    EXPECT_NE(std::string(error.what()).find("pull_timeout"), std::string::npos) << error.what();
  }
}

TEST_F(Agentless, ADeviceIsListedAsSkippedBecauseSftpDoesNotTellItsNumber) {
  write("file", "1");
  if (::mknod((tree() + "/null").c_str(), S_IFCHR | 0666, ::makedev(1, 3)) != 0)
    GTEST_SKIP() << "making a device needs the right to do so";
  const Pulled pulled = pull();
  ASSERT_EQ(pulled.skipped_count, 1U);
  EXPECT_EQ(pulled.skipped.at(0), "unsupported null");
  EXPECT_EQ(pulled.files, 1U);
}

TEST_F(Agentless, AMissingRootOrAFileIsRefusedInOneLine) {
  ssh::Session session(sshd_.endpoint());
  ssh::Sftp sftp(session);
  const auto writer = store_->writer("nas", "directories", "rsync", "/x");
  Surroundings around{dir_.file("home"),
                      "",
                      sshd_.endpoint(),
                      *store_,
                      *writer,
                      {},
                      SystemClock().now(),
                      std::chrono::seconds(60),
                      [] {},
                      false};
  write("file", "1");
  for (const std::string& root : {dir_.file("none"), tree() + "/file"}) {
    try {
      (void)SftpTree(session, sftp, around).run(root);
      FAIL() << root;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::Refused) << error.what();
    }
  }
}

TEST_F(Agentless, ACutLineIsTransientAndNothingIsCommitted) {
  for (int i = 0; i < 50; ++i) write("f" + std::to_string(i), SystemRandom().bytes(200000));
  std::size_t looks = 0;
  try {
    const Pulled whole = pull([&] {
      if (++looks == 60) sshd_.stop();
    });
    FAIL() << whole.skipped_count << " skipped of " << whole.files << ", after looks " << looks << ": "
           << (whole.skipped.empty() ? "" : whole.skipped.front());
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Transient) << error.what();
  }
  EXPECT_FALSE(newest_);
}

TEST_F(Agentless, WhatTheRulesLeaveOutIsLeftOut) {
  for (const char* name :
       {"keep", "a.o", "sub/b.o", "build/x", "sub/build/y", "cache/CACHEDIR.TAG", "cache/big",
        "fake/CACHEDIR.TAG", "fake/kept", "marked/.nobackup", "marked/gone/deep"})
    write(name, "content");
  write("cache/CACHEDIR.TAG", std::string(kCacheSignature) + "\n# of a test");
  write("long", std::string(5000, 'x'));
  rules_ = {{"*.o", "build/"}, {".nobackup"}, true, false, 4000};
  const Pulled pulled = pull();
  std::vector<std::string> found;
  const std::string root = exported("");
  for (const auto& at : fs::recursive_directory_iterator(root))
    found.push_back(at.path().string().substr(root.size() + 1));
  std::sort(found.begin(), found.end());
  EXPECT_EQ(found, (std::vector<std::string>{"cache", "cache/CACHEDIR.TAG", "fake", "fake/CACHEDIR.TAG",
                                             "fake/kept", "keep", "marked", "marked/.nobackup", "sub"}));
  EXPECT_EQ(pulled.skipped, std::vector<std::string>{"large long"});
}

TEST_F(Agentless, AnotherFileSystemStaysEmptyWhenOneIsWanted) {
  write("here", "1");
  fs::create_directories(tree() + "/mounted");
  struct Mounted {
    std::string at;
    bool is = ::mount("tmpfs", at.c_str(), "tmpfs", 0, "size=64k") == 0;
    ~Mounted() {
      if (is) (void)::umount(at.c_str());
    }
  } mounted{tree() + "/mounted"};
  if (!mounted.is) GTEST_SKIP() << "mounting needs the right to";
  write("mounted/there", "2");
  rules_.one_file_system = true;
  (void)pull();
  EXPECT_TRUE(fs::is_empty(exported("") + "/mounted"));
  rules_.one_file_system = false;
  (void)pull();
  EXPECT_EQ(exported("mounted/there"), "2");
}

// The far side opens by path: a folder or file that became a symlink meanwhile must not give what it leads
// to.
TEST_F(Agentless, ASymlinkSwappedInDuringTheWalkGivesNothingOfElsewhere) {
  const std::string folder = tree() + "/d", away = dir_.file("away");
  // Looks: 1 d is listed, 2 its turn, 3 d/f is listed, 4 its turn.
  struct Swap {
    int look;
    bool whole_folder;
    const char* said;
  };
  for (const Swap& swap : {Swap{3, true, "unreadable:ELOOP d"}, Swap{4, true, "unreadable:ELOOP d/f"},
                           Swap{4, false, "unreadable:ELOOP d/f"}}) {
    write("d/f", "harmless");
    write("../secret/f", "SECRET!!");
    fs::remove_all(away);
    int looks = 0;
    const Pulled pulled = pull([&] {
      if (++looks != swap.look) return;
      const std::string what = swap.whole_folder ? folder : folder + "/f";
      fs::rename(what, away);
      fs::create_symlink(dir_.file("secret") + (swap.whole_folder ? "" : "/f"), what);
    });
    EXPECT_EQ(pulled.skipped, std::vector<std::string>{swap.said});
    const std::string file = exported("") + "/d/f";
    if (fs::exists(file)) {
      EXPECT_EQ(read_file(file).find("SECRET"), std::string::npos);
    }
    fs::remove_all(folder);
    newest_.reset();
  }
}

TEST_F(Agentless, ACutWalkGoesOnWhereItWas) {
  constexpr int kFiles = 60;
  for (int i = 0; i < kFiles; ++i)
    write("d" + std::to_string(i / 10) + "/f" + std::to_string(i % 10), SystemRandom().bytes(100000));
  std::size_t looks = 0;
  EXPECT_THROW((void)pull([&] {
                 if (++looks == 250) sshd_.stop();
               }),
               Error);
  ASSERT_TRUE(store_->checkpoint("nas", "directories", "rsync", tree()));
  sshd_.start();
  const Pulled again = pull();
  EXPECT_LT(again.done.files, kFiles - 10);
  EXPECT_GT(again.done.files, 0U);
  EXPECT_EQ(test::run_tool({"diff", "-r", tree(), exported("")}), "");
  EXPECT_FALSE(store_->checkpoint("nas", "directories", "rsync", tree())) << "the snapshot takes its place";
}

TEST_F(Agentless, ALongFileIsReadOnBehindWhatCame) {
  write_long(SystemRandom().bytes(1U << 20U), 1'600'000'000);
  cut_in_the_middle();
  const Pulled again = pull();
  EXPECT_EQ(again.done.bytes, kLong - kSegment);
  EXPECT_EQ(test::run_tool({"diff", "-r", tree(), exported("")}), "");
}

TEST_F(Agentless, ALongFileThatChangedBetweenTwoAttemptsIsReadWhole) {
  write_long("old", 1'600'000'000);
  cut_in_the_middle();
  write_long("new", 1'600'000'001);
  EXPECT_EQ(pull().done.bytes, kLong);
  EXPECT_EQ(test::run_tool({"diff", "-r", tree(), exported("")}), "");
}

}  // namespace
}  // namespace bk::pull
