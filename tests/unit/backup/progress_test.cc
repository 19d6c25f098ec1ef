#include "server/backup/progress.h"

#include "common/io/fd.h"
#include "common/io/file.h"
#include "common/text/screen.h"
#include "tests/support/temp_dir.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include <array>

namespace bk::server {
namespace {

Progress sample() {
  Progress p;
  p.done = {1234, 56, 7'800'000'000, 2'000'000, 1'000'000};
  p.all_directories = 100;
  p.all_bytes = 9'000'000'000;
  p.seconds = 100;
  p.rate = 45'600'000;
  return p;
}

TEST(Progress, ALineIsReadAsItWasWrittenAndNothingElseIs) {
  EXPECT_EQ(parse_progress(write_progress(sample())), sample());
  for (const char* bad : {"", ".", "progress", "progress 1 2 3", "progress 1 2 3 4 5 6 7 8 9 10",
                          "progress 1 2 3 4 5 6 7 8 x", "progress  1 2 3 4 5 6 7 8 9"})
    EXPECT_FALSE(parse_progress(bad)) << bad;
}

TEST(Progress, IsShownInWordsWithWhatIsLeft) {
  EXPECT_EQ(show_progress(sample()), "56 directories, 1,234 files read, 7.8 GB, 45.6 MB/s, about 15 s left");
  Progress archive;
  archive.done.bytes = 999'949;
  EXPECT_EQ(show_progress(archive), "999.9 kB, 0 B/s");
}

TEST(Progress, TheClosingLineSaysWhatAPullCostAsFarAsItIsKnown) {
  EXPECT_EQ(show_cost(10, 2, {3, 2, 5'000'000, 400'000, 300'000}, 300'000, std::chrono::milliseconds(2500)),
            "10 files, 2 directories; read 5.0 MB, sent 400.0 kB, stored 300.0 kB, 2.5 s, 2.0 MB/s");
  EXPECT_EQ(show_cost(5, 5, {}, 1234, std::chrono::milliseconds(100)),
            "5 files, 5 directories; stored 1.2 kB, 0.1 s");
}

TEST(Progress, TheFurtherOfDirectoriesAndBytesTellsWhatIsLeft) {
  Progress p = sample();
  p.done.bytes = 0;
  EXPECT_EQ(estimate(p), 78U);  // 100 s for 56 of 100
  p.all_directories = 0;
  EXPECT_FALSE(estimate(p)) << "nothing to compare with";
  p.done.bytes = p.all_bytes + 1;
  EXPECT_FALSE(estimate(p)) << "it has grown: nobody knows";
}

TEST(Progress, TheTellerWritesALineAndAFileThatGoesWithIt) {
  const test::TempDir dir;
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const Fd read_end(ends[0]), write_end(ends[1]);
  const std::string file = dir.file("now");
  {
    ProgressTeller teller(write_end.get(), file, std::nullopt);
    EXPECT_FALSE(teller.tell({3, 2, 1000, 600, 500}));
    EXPECT_FALSE(teller.tell({4, 2, 1100, 600, 500})) << "not twice in a second, but it counts";
    EXPECT_EQ(teller.now().done.files, 4U);
    ASSERT_TRUE(read_progress(file));
    EXPECT_EQ(read_progress(file)->done.bytes, 1000U);
  }
  EXPECT_FALSE(path_exists(file));
  std::array<char, 200> line{};
  const ssize_t got = ::read(read_end.get(), line.data(), line.size());
  const std::string text(line.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  ASSERT_TRUE(text.ends_with("\n"));
  EXPECT_EQ(parse_progress(text.substr(0, text.size() - 1))->done.files, 3U);
}

std::string all_of(int fd) {
  std::string out(65536, '\0');
  const ssize_t got = ::read(fd, out.data(), out.size());
  out.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  return out;
}

TEST(Screen, RewritesItsLinesInPlaceAndTakesThemAway) {
  int master = -1, slave = -1;
  const winsize size{10, 12, 0, 0};
  ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, &size), 0);
  const Fd near(master), far(slave);
  {
    Screen screen(far.get());
    EXPECT_TRUE(screen.on());
    screen.show({"short", "much too long for it"});
    EXPECT_EQ(all_of(near.get()), "\r\x1b[Kshort\r\n\r\x1b[Kmuch too lo\r\n\r\x1b[J\x1b[2A");
    screen.show({"x"});
    EXPECT_EQ(all_of(near.get()), "\r\x1b[Kx\r\n\r\x1b[J\x1b[1A");
  }
  EXPECT_EQ(all_of(near.get()), "\r\x1b[J");
}

TEST(Screen, SaysNothingWhereNobodyLooks) {
  const test::TempDir dir;
  const Fd file = open_file(dir.file("log"), O_WRONLY | O_CREAT | O_CLOEXEC);
  {
    Screen screen(file.get());
    EXPECT_FALSE(screen.on());
    screen.show({"line"});
  }
  EXPECT_EQ(read_file(dir.file("log")), "");
  EXPECT_EQ(line_wiper(file.get()), "");
}

}  // namespace
}  // namespace bk::server
