// What somebody who waits for a backup is shown.
#include "client/apps/wait_show.h"

#include "common/io/file.h"
#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>

#include <cstdio>

namespace bk::client {
namespace {

using agent::PullStatus;

PullStatus some_status() {
  PullStatus out;
  out.directories = 1234;
  out.files = 99;
  out.read_files = 56;
  out.read_bytes = 7800000;
  out.seconds = 30;
  out.rate = 4500000;
  out.all_directories = 3702;
  return out;
}

Queued in_step(Step step) {
  Queued out;
  out.request.module = "directories";
  out.request.name = "/srv/a b";
  out.server = "main";
  out.step = step;
  return out;
}

TEST(PullStatus, ComesBackFromItsLineAndNothingElseIsOne) {
  const std::string line = write_pull_status(some_status());
  EXPECT_EQ(agent::parse_pull_status(line), some_status());
  for (std::size_t size = 0; size < line.size(); ++size)
    EXPECT_FALSE(agent::parse_pull_status(line.substr(0, size))) << size;
  for (std::size_t i = 0; i < line.size(); ++i) {
    std::string torn = line;
    torn[i] = torn[i] == '1' ? '2' : '1';
    EXPECT_FALSE(agent::parse_pull_status(torn)) << i;
  }
}

TEST(PullStatus, IsReadOnlyWhileThePullRuns) {
  const test::TempDir dir;
  const std::string file = agent::pull_status_file(dir.path(), "main", "/srv");
  EXPECT_FALSE(agent::read_pull_status(file)) << "there never was one";
  {
    agent::PullStatusWriter writer(file);
    ASSERT_TRUE(agent::read_pull_status(file)) << "it has begun";
    agent::PullStatusWriter second(file);
    PullStatus far;
    far.directories = 10;
    second.finish(far);
    EXPECT_EQ(agent::read_pull_status(file)->directories, 0U) << "the second is silent";
    writer.tell(some_status());
    for (int i = 0; i < 1000 && agent::read_pull_status(file)->read_files == 0; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_EQ(agent::read_pull_status(file)->read_files, 56U);
    EXPECT_EQ(agent::read_pull_status(file)->all_directories, 0U) << "there was no pull before this one";
    writer.finish(some_status());
  }
  EXPECT_FALSE(agent::read_pull_status(file)) << "it is over";
  const agent::PullStatusWriter next(file);
  EXPECT_EQ(agent::read_pull_status(file)->all_directories, 1234U);
}

TEST(PullStatus, AFolderThatCannotBeMadeOnlyMakesItSilent) {
  const test::TempDir dir;
  replace_durably(dir.file("log"), "a file");
  const std::string file = agent::pull_status_file(dir.path(), "main", "/srv");
  agent::PullStatusWriter writer(file);
  writer.tell(some_status());
  writer.finish(some_status());
  EXPECT_FALSE(agent::read_pull_status(file));
}

TEST(WaitShow, SaysEachStepInWords) {
  EXPECT_EQ(show_step(in_step(Step::Waiting), {}), "queued");
  EXPECT_EQ(show_step(in_step(Step::Preparing), {}), "its data is being prepared");
  EXPECT_EQ(show_step(in_step(Step::Sent), {}), "sent, not acknowledged yet");
  EXPECT_EQ(show_step(in_step(Step::Taken), {}), "taken by main");
  EXPECT_EQ(show_step(in_step(Step::Taken), PullStatus{}), "taken by main; being pulled: begins");
  EXPECT_EQ(
      show_step(in_step(Step::Taken), some_status()),
      "taken by main; being pulled: 1,234 directories, 56 files read, 7.8 MB, 4.5 MB/s, about 60 s left");
}

TEST(WaitShow, OneLineTellsOfTheOneThatIsFurthest) {
  const Queued waiting = in_step(Step::Waiting), taken = in_step(Step::Taken);
  Queued done = in_step(Step::Done);
  done.outcome.emplace();
  EXPECT_EQ(show_all({{&taken, {}}}), "directories \"/srv/a b\": taken by main");
  EXPECT_EQ(show_all({{&waiting, {}}, {&taken, {}}, {&done, {}}}),
            "1 of 3 done; directories \"/srv/a b\": taken by main");
}

}  // namespace
}  // namespace bk::client
