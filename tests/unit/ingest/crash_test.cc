// ingest_requests and bk_access update killed at every named step: after the next run everything is as if
// nothing had happened, and at no moment was a request acknowledged that TODO does not hold (I1).
#include "common/process/process.h"
#include "server/access/init.h"
#include "server/access/update.h"
#include "server/ingest/cursor.h"
#include "tests/unit/ingest/installation.h"

#include <gtest/gtest.h>

#include <map>
#include <sstream>

namespace bk::server {
namespace {

using test::Installation;
using test::request;

constexpr int kKilled = 128 + 9;

int run(std::vector<std::string> argv, const std::string& variable, const std::string& value) {
  Command command;
  command.argv = std::move(argv);
  command.environment = base_environment("/");
  if (!variable.empty()) command.environment.push_back(variable + "=" + value);
  return run_captured(command, std::chrono::seconds(60)).status;
}

// "step:pass" of everything that one run passes.
std::vector<std::string> steps_of(const std::vector<std::string>& argv, const std::string& log) {
  EXPECT_EQ(run(argv, "BACKLINE_CRASH_LOG", log), 0);
  std::vector<std::string> out;
  std::map<std::string, int> passes;
  std::istringstream lines(read_file(log));
  for (std::string step; std::getline(lines, step);)
    out.push_back(step + ":" + std::to_string(++passes[step]));
  return out;
}

std::vector<std::string> ingest_of(const Installation& at) {
  return {BK_BIN_DIR "/ingest_requests", "--home", at.home(), at.path()};
}

void expect_promises_are_kept(const Installation& at) {
  TodoList list = at.todo();
  std::vector<std::string> ids;
  for (const proto::Receipt& receipt : at.receipts()) ids.push_back(receipt.id);
  for (const auto& answer : list.answers("web1", ids)) EXPECT_TRUE(answer.has_value()) << "I1";
}

void prepare(const Installation& at, std::size_t empty_commits) {
  at.push({request(1), request(2)});
  at.push_empty(empty_commits);
  at.push({request(2), request(3)});
}

// Kills at every step that `wanted` accepts; how many.
template <class Wanted>
std::size_t sweep(std::size_t empty_commits, Wanted&& wanted) {
  std::vector<std::string> steps;
  {
    const Installation at;
    prepare(at, empty_commits);
    steps = steps_of(ingest_of(at), at.home() + "/steps");
  }
  std::erase_if(steps, [&](const std::string& step) { return !wanted(step); });
  for (const std::string& step : steps) {
    const Installation at;
    prepare(at, empty_commits);
    EXPECT_EQ(run(ingest_of(at), "BACKLINE_CRASH_AT", step), kKilled) << step;
    expect_promises_are_kept(at);
    EXPECT_EQ(run(ingest_of(at), "", ""), 0) << step;
    EXPECT_EQ(at.answers(), "1:taken 2:taken 3:taken ") << step;
    EXPECT_EQ(at.pending(), 3U) << step;
    EXPECT_EQ(at.mark(), 3U) << step;
    EXPECT_EQ(read_cursor(at.path()), git::Repository(at.path()).ref(kRequestsRef)) << step;
  }
  return steps.size();
}

TEST(Crash, IngestKilledAtEveryStepLosesAndDoublesNothing) {
  EXPECT_GE(sweep(1, [](const std::string&) { return true; }), 8U);
}

TEST(Crash, ACheckpointKilledAtEveryStepLosesAndDoublesNothing) {
  const auto is_checkpoint = [](const std::string& step) {
    return step.starts_with("ingest.checkpoint") || step.starts_with("ingest.packed");
  };
  EXPECT_EQ(sweep(1025, is_checkpoint), 3U);
}

TEST(Crash, SettingBackKilledInBetweenEndsTheSame) {
  for (const char* step : {"ingest.set_back:1"}) {
    const Installation at;
    at.push({request(1)});
    ASSERT_EQ(run(ingest_of(at), "", ""), 0);
    const std::string hex = at.push({request(2)}).hex();
    const std::string file = at.path() + "/objects/" + hex.substr(0, 2) + "/" + hex.substr(2);
    remove_durably(file);
    replace_durably(file, "");
    ASSERT_EQ(run(ingest_of(at), "BACKLINE_CRASH_AT", step), kKilled);
    ASSERT_EQ(run(ingest_of(at), "", ""), 0);
    at.push({request(3)});
    ASSERT_EQ(run(ingest_of(at), "", ""), 0);
    EXPECT_EQ(at.answers(), "1:taken 3:taken ");
  }
}

TEST(Crash, UpdateKilledAtEveryStepIsEndedByTheNextOne) {
  const std::string key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICU/iDvoPwEbyCB1uMfUF4XcUbpOFuAKekg8qQxd5RAx";
  const test::TempDir dir;
  const auto init = [&](const std::string& home) -> std::vector<std::string> {
    replace_durably(dir.file("key"), key + " ann\n");
    return {BK_BIN_DIR "/bk_access", "--home", home, "--key", dir.file("key"), "init"};
  };
  const std::vector<std::string> steps = steps_of(init(dir.file("first")), dir.file("steps"));
  ASSERT_GE(steps.size(), 7U);
  int number = 0;
  for (const std::string& step : steps) {
    const std::string home = dir.file("home" + std::to_string(number++));
    ASSERT_EQ(run(init(home), "BACKLINE_CRASH_AT", step), kKilled) << step;
    ASSERT_EQ(run(init(home), "", ""), 0) << step;
    EXPECT_TRUE(load_gitosis_conf(home).find_writable("ann", kAdminName)) << step;
    EXPECT_NE(read_file(home + "/.ssh/authorized_keys").find("serve ann\" " + key), std::string::npos)
        << step;
    EXPECT_EQ(refresh_access(home), "") << step;
  }
}

}  // namespace
}  // namespace bk::server
