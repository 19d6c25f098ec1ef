// The data line cut at every frame boundary, and inside frames: never a success on either side.
#include "common/error/error.h"
#include "common/io/file.h"
#include "tests/support/content.h"
#include "tests/support/pull_script.h"
#include "tests/support/pull_world.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace bk::test {
namespace {

struct Recorded {
  std::string agent, server;
};

Recorded record(PullWorld& world) {
  ensure_directory(world.source() + "/sub/deeper");
  put(world.source() + "/a", "tiny");
  put(world.source() + "/b", std::string(300'000, 'b') + "end");
  put(world.source() + "/sub/c", std::string(5000, 'c'));
  EXPECT_EQ(::symlink("a", (world.source() + "/link").c_str()), 0);
  AgentProcess agent({world.source()});
  RecordingStream stream(agent.stream());
  const auto writer = world.writer("recorded");
  (void)world.pull_from(stream, *writer);
  return {stream.from_agent(), stream.from_server()};
}

bool succeeds(PullWorld& world, const std::string& script, std::optional<int> status,
              const std::string& client) {
  ScriptStream stream(script, status);
  const auto writer = world.writer(client);
  try {
    (void)world.pull_from(stream, *writer);
    return true;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Transient) << error.what();
    return false;
  }
}

TEST(CutLine, TheServerNeverTakesAPartForTheWhole) {
  PullWorld world;
  const std::string whole = record(world).agent;
  const auto ends = frame_ends(whole);
  ASSERT_GT(ends.size(), 10U);
  int n = 0;
  for (const std::size_t end : ends) {
    for (const std::size_t cut : {end - 1, end, end + 2}) {
      if (cut >= whole.size()) continue;
      EXPECT_FALSE(succeeds(world, whole.substr(0, cut), 0, "cut" + std::to_string(++n)))
          << cut << " of " << whole.size();
    }
  }
  EXPECT_FALSE(succeeds(world, whole, 1, "status1"));
  EXPECT_FALSE(succeeds(world, whole, std::nullopt, "lost"));
  EXPECT_TRUE(succeeds(world, whole, 0, "whole"));
}

// The server's process ends after so many bytes.
class DyingServer final : public pull::ByteStream {
 public:
  DyingServer(pull::ByteStream& inner, std::size_t bytes) : inner_(inner), left_(bytes) {}
  std::size_t read(void* buffer, std::size_t size, pull::Millis deadline) override {
    return inner_.read(buffer, size, deadline);
  }
  std::size_t try_read(void* buffer, std::size_t size) override { return inner_.try_read(buffer, size); }
  bool wait(pull::Millis limit) override { return inner_.wait(limit); }
  void write(std::string_view bytes, pull::Millis deadline) override {
    const std::string_view part = bytes.substr(0, left_);
    inner_.write(part, deadline);
    left_ -= part.size();
    if (part.size() < bytes.size()) throw Error(Kind::Transient, "the server died");
  }
  std::optional<int> exit_status(pull::Millis deadline) override { return inner_.exit_status(deadline); }

 private:
  pull::ByteStream& inner_;
  std::size_t left_;
};

int agent_status_when_cut_after(PullWorld& world, std::size_t bytes, const std::string& client) {
  AgentProcess agent({world.source()});
  DyingServer stream(agent.stream(), bytes);
  const auto writer = world.writer(client);
  try {
    (void)world.pull_from(stream, *writer);
  } catch (const Error&) {
    (void)agent.stream().exit_status(std::chrono::milliseconds(0));  // closes the agent's input
  }
  return agent.child().wait();
}

TEST(CutLine, TheAgentNeverEndsWellWhenTheServerWentAway) {
  PullWorld world;
  const std::string whole = record(world).server;
  const auto ends = frame_ends(whole);
  ASSERT_GT(ends.size(), 5U);
  int n = 0;
  for (const std::size_t end : ends) {
    for (const std::size_t cut : {end - 1, end}) {
      const int status = agent_status_when_cut_after(world, cut, "agent" + std::to_string(++n));
      EXPECT_EQ(status, cut == whole.size() ? kExitDone : kExitTryLater) << cut << " of " << whole.size();
    }
  }
}

// Gives a new agent process these bytes and the end of its input; its exit status.
int agent_status(PullWorld& world, const std::string& server) {
  AgentProcess agent({world.source()});
  try {
    agent.stream().write(server, std::chrono::seconds(10));
  } catch (const Error&) {  // it had enough
  }
  (void)agent.stream().exit_status(std::chrono::milliseconds(0));
  std::string out(65536, '\0');
  while (agent.stream().read(out.data(), out.size(), std::chrono::seconds(20)) > 0) {
  }
  return agent.child().wait();
}

TEST(CutLine, AServerThatAnswersWhatWasNotAskedEndsTheAgent) {
  PullWorld world;
  (void)record(world);
  std::string hello;
  pull::append_frame(hello, pull::FrameType::Hello, pull::encode(pull::Hello{}));
  pull::append_frame(hello, pull::FrameType::Open, pull::encode(pull::Open{world.source()}));
  pull::Bitmap one;
  one.push_back(true);
  std::string verdict = hello, wants = hello, need = hello, open = hello;
  pull::append_frame(verdict, pull::FrameType::Verdicts, pull::encode(pull::Verdicts{77, one}));
  pull::append_frame(wants, pull::FrameType::Wants, pull::encode(pull::Wants{0, one}));
  pull::append_frame(need, pull::FrameType::Need, pull::encode(pull::Need{0, one}));
  pull::append_frame(open, pull::FrameType::Open, pull::encode(pull::Open{"/etc"}));
  for (const std::string& script : {verdict, wants, need, open})
    EXPECT_EQ(agent_status(world, script), kExitProtocol);
  std::string flood = hello;
  for (int i = 0; i < 40'000; ++i)
    pull::append_frame(flood, pull::FrameType::Need, pull::encode(pull::Need{0, one}));
  EXPECT_EQ(agent_status(world, flood), kExitProtocol);
}

}  // namespace
}  // namespace bk::test
