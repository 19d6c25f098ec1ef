// A line that carries nothing any more and that nobody closed: both ends notice, and neither takes a busy or
// silent peer for a lost one.  Deadlines are short here; half_open_minute_test has the real ones.
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/ssh/ssh.h"
#include "proto/pull/features.h"
#include "server/pull/tree/pace.h"
#include "tests/support/long_way.h"
#include "tests/support/pull_script.h"
#include "tests/support/pull_world.h"
#include "tests/support/sshd.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

namespace bk::test {
namespace {

using namespace std::chrono_literals;

// HALF_OPEN_REAL_TIME: as programs do it, with a minute's patience.
const bool kReal = std::getenv("HALF_OPEN_REAL_TIME") != nullptr;
constexpr auto kMinute = 60s;

void make_folders(const PullWorld& world, int count) {
  for (int i = 0; i < count; ++i) ensure_directory(world.source() + "/" + std::to_string(i));
}

// The server is busy in its own store for a while, in the middle of a pull.
pull::PullOptions busy_for(std::chrono::milliseconds time, std::chrono::milliseconds heartbeat) {
  pull::PullOptions options;
  options.heartbeat = heartbeat;
  options.progress = [time](const pull::PullProgress&) { std::this_thread::sleep_for(time); };
  return options;
}

TEST(Heartbeat, AnAgentWaitsForAServerThatIsBusyElsewhere) {
  PullWorld world;
  make_folders(world, 200);
  AgentProcess agent({"--silence-ms", "400", world.source()});
  const auto writer = world.writer();
  EXPECT_NO_THROW((void)world.pull_from(agent.stream(), *writer, busy_for(1500ms, 50ms)));
  EXPECT_EQ(agent.child().wait(), kExitDone);
}

TEST(Heartbeat, AnAgentLeavesAServerThatGivesNoSignOfLife) {
  PullWorld world;
  make_folders(world, 200);
  AgentProcess agent({"--silence-ms", "400", world.source()});
  const auto writer = world.writer();
  EXPECT_THROW((void)world.pull_from(agent.stream(), *writer, busy_for(1500ms, 1h)), Error);
  EXPECT_EQ(agent.child().wait(), kExitTryLater);
}

TEST(Heartbeat, AnAgentThatKnowsNoHeartbeatsHearsNone) {
  PullWorld world;
  AgentScript script;  // names no feature
  for (int i = 100; i < 400; ++i) script.enter(std::to_string(i)).leave(0);
  ScriptStream stream(script.bytes());
  const auto writer = world.writer();
  EXPECT_THROW((void)world.pull_from(stream, *writer, busy_for(100ms, 1ms)), Error);
  pull::FrameDecoder decoder;
  decoder.feed(stream.heard());
  while (const auto frame = decoder.next()) EXPECT_NE(frame->type, pull::FrameType::Heartbeat);
}

TEST(Heartbeat, FeaturesAreThoseThatBothName) {
  EXPECT_EQ(pull::common_features({"later", "heartbeat"}), std::vector<std::string>{"heartbeat"});
  EXPECT_TRUE(pull::common_features({}).empty());
}

TEST(Pace, BytesThatTrickleWithinAFrameAreTooSlowAndNothingElseIs) {
  const pull::Pace::Time start{1h};
  pull::Pace trickle, steady, at_work;
  bool trickled = false;
  for (unsigned s = 0; s < 900; ++s) {
    const auto now = start + std::chrono::seconds(s);
    trickled = trickled || trickle.too_slow(now, s * 100, true);
    EXPECT_FALSE(steady.too_slow(now, s * 250, true)) << s;
    EXPECT_FALSE(at_work.too_slow(now, s / 10 * 5, false)) << s;  // signs of life, each a whole frame
    EXPECT_TRUE(trickled || s <= 300) << s;
    EXPECT_FALSE(trickled && s < 300) << s;
  }
}

// A real sshd, a real agent behind it, a proxy that freezes in the middle of the pull.
TEST(HalfOpen, BothEndsOfAFrozenLineGiveUpWithinAMinute) {
  PullWorld world;
  ensure_directory(world.source());
  const Fd fd = open_file(world.source() + "/large", O_WRONLY | O_CREAT, 0644);
  std::string noise;
  for (std::uint32_t x = 1; noise.size() < 4'000'000;)
    noise.push_back(static_cast<char>((x = x * 1664525U + 1013904223U) >> 24U));
  write_all(fd.get(), noise);
  Sshd server;
  const LongWay way(server.port(), {"--stall-after", "100000"});
  ssh::Endpoint endpoint = server.endpoint();
  endpoint.address.port = way.port();
  if (!kReal) endpoint.probe = 100ms;
  ssh::Session session(endpoint);
  const std::string silence = kReal ? "" : " --silence-ms 500";
  const auto channel = session.exec(std::string("exec ") + BK_TREE_AGENT + silence + " " + world.source());
  pull::ChannelStream stream(*channel);
  pull::PullOptions options;
  options.idle = 5min;
  const auto writer = world.writer();
  const auto began = std::chrono::steady_clock::now();
  EXPECT_THROW((void)world.pull_from(stream, *writer, options), Error);
  const auto gone = [&] {
    for (const pid_t pid : server.descendants()) {
      const auto line = try_read_file("/proc/" + std::to_string(pid) + "/cmdline");
      if (line && line->find("tree_agent") != std::string::npos) return false;
    }
    return true;
  };
  while (!gone() && std::chrono::steady_clock::now() - began < 2 * kMinute) std::this_thread::sleep_for(20ms);
  EXPECT_TRUE(gone());
  if (kReal) {
    EXPECT_LT(std::chrono::steady_clock::now() - began, kMinute + 15s);
  }
}

}  // namespace
}  // namespace bk::test
