#include "common/restore/tree_restorer.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "tests/support/temp_dir.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <random>

namespace bk::test {
namespace {

Entry entry(const std::string& name, EntryType type, std::uint64_t size = 0) {
  Entry out;
  out.name = name;
  out.type = type;
  out.mode = type == EntryType::Directory ? 0755 : 0644;
  out.uid = ::geteuid();
  out.gid = ::getegid();
  out.size = size;
  out.mtime = {1000000000, 5};
  return out;
}

std::string noise(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

RestorePlace place(const std::string& group, std::uint32_t begin, std::uint32_t bytes, std::uint64_t file,
                   std::uint64_t offset) {
  return {begin, bytes, file, offset,
          chunk_id(ObjectKind::Data, std::string_view(group).substr(begin, bytes))};
}

EncodedGroup encoded(const std::string& content) { return GroupEncoder().encode(content); }

class Restorer : public ::testing::Test {
 protected:
  TreeRestorer& start(RestoreOptions options = {}) {
    fd_ = open_directory(dir_.path());
    restorer_ = std::make_unique<TreeRestorer>(
        fd_.get(), dir_.path(), report_,
        [this](const std::string& path, const std::string& reason) {
          damage_.push_back(path + ": " + reason);
        },
        std::move(options));
    return *restorer_;
  }
  [[nodiscard]] std::string file(const std::string& name) const { return dir_.file(name); }
  TempDir dir_;
  Fd fd_;
  RestoreReport report_;
  std::vector<std::string> damage_;
  std::unique_ptr<TreeRestorer> restorer_;
};

TEST_F(Restorer, AFileOverSeveralWindowsWithPlacesInAnyOrder) {
  TreeRestorer& out = start();
  const std::string content = noise(64 * 1000, 1);
  out.enter(entry("t", EntryType::Directory));
  for (int window = 0; window < 4; ++window) {
    const FilePart part{{}, 16000, window < 3};
    if (window == 0)
      out.file(entry("f", EntryType::File, content.size()), part);
    else
      out.more(part);
    std::vector<int> order{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    std::shuffle(order.begin(), order.end(), std::mt19937(7));
    for (const int i : order) {
      const auto at = static_cast<std::uint64_t>(window * 16 + i) * 1000;
      const std::string group = "skip" + content.substr(at, 1000);
      out.group(encoded(group), {place(group, 4, 1000, 0, at)});
    }
    out.end_window();
  }
  out.leave();
  out.finish();
  EXPECT_EQ(read_file(file("t/f")), content);
  EXPECT_TRUE(damage_.empty());
}

TEST_F(Restorer, AWrongChunkIsAskedForAgainElseTheFileGoes) {
  const std::string right = noise(5000, 2);
  const std::string wrong = "x" + right.substr(1);
  for (const bool again : {true, false}) {
    RestoreOptions options;
    options.again = [&](const ChunkId& id, std::string& why) -> std::optional<std::string> {
      EXPECT_EQ(id, chunk_id(ObjectKind::Data, right));
      why = "it is gone";
      return again ? std::optional(right) : std::nullopt;
    };
    const std::string top = again ? "good" : "bad";
    TreeRestorer& out = start(std::move(options));
    out.enter(entry(top, EntryType::Directory));
    out.file(entry("f", EntryType::File, 5000), {{}, 5000, false});
    out.file(entry("g", EntryType::File, 3), {{{0, "abc"}}, 0, false});
    out.link(top + "/f", entry("h", EntryType::File, 5000));
    RestorePlace at = place(right, 0, 5000, 0, 0);
    out.group(encoded(wrong), {at});
    out.leave();
    out.finish();
    EXPECT_EQ(read_file(file(top + "/g")), "abc");
  }
  EXPECT_EQ(read_file(file("good/h")), right);
  EXPECT_EQ(list_directory(file("bad")), std::vector<std::string>{"g"});
  ASSERT_EQ(damage_.size(), 2U);
  EXPECT_EQ(damage_[0], "bad/f: it is gone");
  EXPECT_NE(damage_[1].find("bad/h: it is a hard link to"), std::string::npos);
}

TEST_F(Restorer, AGroupThatCannotBeDecodedSpoilsItsFilesOnly) {
  TreeRestorer& out = start();
  const std::string content(9000, 'z');
  EncodedGroup group = encoded(content);
  ASSERT_EQ(group.codec, Codec::Zstd);
  group.bytes.back() = static_cast<char>(group.bytes.back() ^ 1);
  out.file(entry("f", EntryType::File, 9000), {{}, 9000, false});
  out.group(std::move(group), {place(content, 0, 9000, 0, 0)});
  out.finish();
  EXPECT_FALSE(path_exists(file("f")));
  ASSERT_EQ(damage_.size(), 1U);
}

TEST_F(Restorer, HolesStayHolesAndDirectoriesKeepTheirTimes) {
  TreeRestorer& out = start();
  const std::uint64_t size = std::uint64_t{1} << 38U;
  Entry top = entry("t", EntryType::Directory);
  out.enter(top);
  out.file(entry("hole", EntryType::File, size), {{{size - 3, "end"}}, 0, false});
  Entry link = entry("link", EntryType::Symlink);
  link.target = "hole";
  out.special(link);
  out.link("t/link", link.name == "link" ? [&] { Entry e = link; e.name = "link2"; return e; }() : link);
  out.leave();
  out.finish();
  struct stat st {};
  ASSERT_EQ(::stat(file("t/hole").c_str(), &st), 0);
  EXPECT_EQ(static_cast<std::uint64_t>(st.st_size), size);
  EXPECT_LE(st.st_blocks, 64);
  ASSERT_EQ(::stat(file("t").c_str(), &st), 0);
  EXPECT_EQ(st.st_mtim.tv_sec, 1000000000);
  ASSERT_EQ(::lstat(file("t/link2").c_str(), &st), 0);
  EXPECT_EQ(st.st_nlink, 2U);
}

TEST_F(Restorer, WhatDoesNotKeepTheOrderIsRefused) {
  const std::string bytes = "0123456789";
  const auto refused = [&](const std::function<void(TreeRestorer&)>& body) {
    try {
      TreeRestorer& out = start();
      body(out);
      out.finish();
      ADD_FAILURE() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::Protocol) << error.what();
    }
    restorer_.reset();
    for (const std::string& name : list_directory(dir_.path())) remove_tree(file(name));
  };
  refused([&](auto& out) { out.leave(); });
  refused([&](auto& out) { out.enter(entry("t", EntryType::Directory)); });
  refused([&](auto& out) { out.more({}); });
  refused([&](auto& out) { out.file(entry("f", EntryType::File, 10), {{}, 10, false}); });
  refused([&](auto& out) { out.file(entry("f", EntryType::File, 10), {{}, 0, true}); });
  refused([&](auto& out) {  // more than announced
    out.file(entry("f", EntryType::File, 20), {{}, 5, false});
    out.group(encoded(bytes), {place(bytes, 0, 10, 0, 0)});
  });
  refused([&](auto& out) {  // beyond the end
    out.file(entry("f", EntryType::File, 5), {{}, 10, false});
    out.group(encoded(bytes), {place(bytes, 0, 10, 0, 0)});
  });
  refused([&](auto& out) {  // outside of the group
    out.file(entry("f", EntryType::File, 10), {{}, 10, false});
    RestorePlace at = place(bytes, 0, 10, 0, 0);
    at.begin = 1;
    out.group(encoded(bytes), {at});
  });
  refused([&](auto& out) { out.group(encoded(bytes), {place(bytes, 0, 10, 0, 0)}); });
  refused([&](auto& out) {
    for (std::size_t i = 0; i <= WindowLimits::kEntries; ++i)
      out.special(entry("s" + std::to_string(i), EntryType::Fifo));
  });
}

TEST_F(Restorer, AThousandLevelsCostFewDescriptors) {
  TreeRestorer& out = start();
  const std::string name(40, 'd');
  for (int level = 0; level < 1200; ++level) {
    out.enter(entry(name, EntryType::Directory));
    if (level % 400 == 399) out.end_window();
  }
  out.file(entry("f", EntryType::File, 1), {{{0, "x"}}, 0, false});
  for (int level = 0; level < 1200; ++level) {
    if (level % 400 == 0) out.end_window();
    out.leave();
  }
  std::string deep;
  for (int level = 0; level < 1200; ++level) deep += name + "/";
  out.link(deep + "f", entry("again", EntryType::File, 1));
  out.finish();
  EXPECT_EQ(read_file(file("again")), "x");
}

// A second restore over what a cut one left.
class RestorerThatGoesOn : public Restorer {
 protected:
  static constexpr std::uint32_t kChunk = 1000;
  // Three chunks and a hole behind them; the places of what did not have to come again.
  std::vector<bool> restore(bool goes_on, const std::function<void(TreeRestorer&)>& more = {}) {
    RestoreOptions options;
    options.goes_on = goes_on;
    TreeRestorer& out = start(std::move(options));
    out.enter(entry("t", EntryType::Directory));
    out.file(entry("f", EntryType::File, 10 * kChunk), {{}, 3 * kChunk, false});
    out.file(entry("empty", EntryType::File), {});
    if (more) more(out);
    out.leave();
    std::vector<RestorePlace> places;
    for (std::uint32_t i = 0; i < 3; ++i)
      places.push_back(place(content_, i * kChunk, kChunk, 0, i * kChunk));
    const std::vector<bool> kept = out.keep(places);
    std::vector<RestorePlace> needed;
    for (std::size_t i = 0; i < places.size(); ++i)
      if (!kept[i]) needed.push_back(places[i]);
    if (!needed.empty()) out.group(encoded(content_), needed);
    out.finish();
    EXPECT_EQ(read_file(file("t/f")), content_ + std::string(7 * kChunk, '\0'));
    struct stat st {};
    EXPECT_EQ(::stat(file("t/f").c_str(), &st), 0);
    EXPECT_EQ(st.st_mtim.tv_sec, 1000000000);
    EXPECT_EQ(st.st_mode & 07777U, 0644U);
    EXPECT_TRUE(report_.empty());
    return kept;
  }
  void change(std::uint64_t offset, const std::string& bytes) {
    const Fd fd = open_file(file("t/f"), O_WRONLY);
    pwrite_all(fd.get(), bytes, offset);
  }
  // As it stands while it is being written.
  void unfinish() { ASSERT_EQ(::chmod(file("t/f").c_str(), 0600), 0); }
  std::string content_ = noise(3 * kChunk, 9);
};

TEST_F(RestorerThatGoesOn, KeepsWhatIsWholeAndRefusesWithoutLeave) {
  (void)restore(false);
  EXPECT_EQ(restore(true), std::vector<bool>(3, true));
  EXPECT_THROW((void)restore(false), Error);
}

TEST_F(RestorerThatGoesOn, KeepsTheRightChunksOfAHalfWrittenFile) {
  (void)restore(false);
  unfinish();
  change(kChunk + 5, "wrong");
  change(8 * kChunk, "rubbish in a hole");
  EXPECT_EQ(restore(true), (std::vector<bool>{true, false, true}));
  unfinish();
  ASSERT_EQ(::truncate(file("t/f").c_str(), 2 * kChunk + 1), 0);
  EXPECT_EQ(restore(true), (std::vector<bool>{true, true, false}));
  unfinish();
  ASSERT_EQ(::truncate(file("t/f").c_str(), 20 * kChunk), 0);
  EXPECT_EQ(restore(true), std::vector<bool>(3, true));
}

TEST_F(RestorerThatGoesOn, BelievesNoTime) {
  (void)restore(false);
  struct stat st {};
  ASSERT_EQ(::stat(file("t/f").c_str(), &st), 0);
  change(0, "X");
  const timespec times[2] = {{0, UTIME_OMIT}, st.st_mtim};
  ASSERT_EQ(::utimensat(AT_FDCWD, file("t/f").c_str(), times, 0), 0);
  EXPECT_EQ(restore(true), (std::vector<bool>{false, true, true}));
}

// Writing into it, or giving it to the backup's owner, would reach whoever has the other name.
TEST_F(RestorerThatGoesOn, NeverTouchesAFileThatHasAnotherName) {
  (void)restore(false);
  change(0, "Y");
  struct stat st {};
  ASSERT_EQ(::link(file("t/f").c_str(), file("elsewhere").c_str()), 0);
  const std::string before = read_file(file("elsewhere"));
  EXPECT_EQ(restore(true), std::vector<bool>(3, false));
  EXPECT_EQ(read_file(file("elsewhere")), before);
  ASSERT_EQ(::stat(file("elsewhere").c_str(), &st), 0);
  EXPECT_EQ(st.st_nlink, 1U);
}

TEST_F(RestorerThatGoesOn, NeverEntersALinkInPlaceOfItsFolder) {
  (void)restore(false);
  change(0, "Z");
  const std::string before = read_file(file("t/f"));
  ASSERT_EQ(::rename(file("t").c_str(), file("victim").c_str()), 0);
  ASSERT_EQ(::symlink(file("victim").c_str(), file("t").c_str()), 0);
  EXPECT_THROW((void)restore(true), Error);
  EXPECT_EQ(read_file(file("victim/f")), before);
}

TEST_F(RestorerThatGoesOn, MakesLinksAndSpecialFilesAnew) {
  const auto more = [](TreeRestorer& out) {
    Entry link = entry("l", EntryType::Symlink, 1);
    link.target = "x";
    out.special(link);
    out.special(entry("p", EntryType::Fifo));
    out.link("t/f", entry("again", EntryType::File, 10 * kChunk));
  };
  (void)restore(false, more);
  ASSERT_EQ(::unlink(file("t/l").c_str()), 0);
  ASSERT_EQ(::symlink("/etc", file("t/l").c_str()), 0);
  (void)restore(true, more);
  struct stat st {};
  ASSERT_EQ(::stat(file("t/again").c_str(), &st), 0);
  EXPECT_EQ(st.st_nlink, 2U);
  ASSERT_EQ(::lstat(file("t/l").c_str(), &st), 0);
  EXPECT_EQ(st.st_size, 1);
}

// Such as a file system that knows no capitals, or shorter names.
TEST_F(Restorer, WhatTheSystemRefusesIsNamedAndEverythingElseComes) {
  TreeRestorer& out = start();
  const std::string group = "0123456789";
  out.enter(entry("t", EntryType::Directory));
  out.file(entry("name", EntryType::File, 1), {{{0, "1"}}, 0, false});
  out.end_window();
  out.end_window();  // the first is worked off
  out.file(entry("name", EntryType::File, 10), {{}, 10, false});
  out.enter(entry("name", EntryType::Directory));
  out.file(entry("inner", EntryType::File, 10), {{}, 10, false});
  out.special(entry("fifo", EntryType::Fifo));
  for (int level = 0; level < 100; ++level) out.enter(entry("d", EntryType::Directory));
  for (int level = 0; level < 100; ++level) out.leave();
  out.leave();
  out.special(entry("name", EntryType::Fifo));
  out.link("t/name/inner", entry("linked", EntryType::File, 10));
  out.file(entry("other", EntryType::File, 10), {{}, 10, false});
  out.leave();
  out.group(encoded(group),
            {place(group, 0, 10, 1, 0), place(group, 0, 10, 2, 0), place(group, 0, 10, 3, 0)});
  out.finish();
  EXPECT_EQ(read_file(file("t/name")), "1");
  EXPECT_EQ(read_file(file("t/other")), group);
  EXPECT_EQ(list_directory(file("t")).size(), 2U);
  EXPECT_TRUE(damage_.empty());
  std::string told;
  for (const std::string& line : report_.lines()) told += line + "\n";
  const std::string top = "\"" + dir_.path() + "/t/";
  EXPECT_NE(told.find(top + "name\": file not restored: File exists\n"), std::string::npos) << told;
  EXPECT_NE(told.find(top + "name/\": folder not restored: File exists\n"), std::string::npos) << told;
  EXPECT_NE(told.find(top + "name\": special file not made: File exists\n"), std::string::npos) << told;
  EXPECT_NE(told.find("102 entries: not restored: their folder is not there; the first is " + top),
            std::string::npos)
      << told;
  EXPECT_NE(told.find(top + "linked\": hard link not made: "), std::string::npos) << told;
  EXPECT_NE(told.find("in all 106 entries not restored, 0 attributes not kept"), std::string::npos) << told;
}

TEST_F(Restorer, MoreUnfinishedFilesThanDescriptors) {
  const rlimit few{256, 256};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);  // for good: this test is the last
  TreeRestorer& out = start();
  out.enter(entry("t", EntryType::Directory));
  constexpr std::uint64_t kFiles = 1000;
  for (std::uint64_t i = 0; i < kFiles; ++i)
    out.file(entry("f" + std::to_string(i), EntryType::File, 8), {{}, 8, false});
  for (const std::uint64_t half : {0, 4}) {
    std::string group;
    std::vector<RestorePlace> places;
    for (std::uint64_t i = 0; i < kFiles; ++i) group += std::to_string(100000 + i).substr(2, 4);
    for (std::uint64_t i = 0; i < kFiles; ++i)
      places.push_back(place(group, static_cast<std::uint32_t>(i * 4), 4, i, half));
    out.group(encoded(group), places);
  }
  out.leave();
  out.finish();
  EXPECT_EQ(read_file(file("t/f7")), "00070007");
  EXPECT_EQ(read_file(file("t/f999")), "09990999");
}

}  // namespace
}  // namespace bk::test
