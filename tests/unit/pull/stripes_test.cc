// Further lines of one pull: they carry what the first line cannot, belong to one server, work once, and
// never make a part pass for the whole.
#include "common/error/error.h"
#include "common/io/file.h"
#include "proto/pull/features.h"
#include "tests/support/content.h"
#include "tests/support/long_way.h"
#include "tests/support/pull_script.h"
#include "tests/support/pull_world.h"
#include "tests/support/sshd.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <mutex>
#include <thread>

namespace bk::test {
namespace {

using namespace std::chrono_literals;
using pull::FrameType;

constexpr std::uint64_t kMiB = 1U << 20U;

// What both kinds of stream below know of each other.
struct Meeting {
  std::atomic<int> begun{0};       // stripes that were told to go
  std::atomic<bool> tried{false};  // one was, or shall be, opened
  int awaited = 0;                 // from then on the first line says nothing before so many have begun
  std::chrono::steady_clock::time_point until = std::chrono::steady_clock::now() + 20s;
  std::atomic<std::uint64_t> carried{0};  // by stripes
};

class FirstLine final : public pull::ByteStream {
 public:
  FirstLine(pull::ByteStream& inner, const Meeting& meeting) : inner_(inner), meeting_(meeting) {}
  std::size_t read(void* buffer, std::size_t size, pull::Millis deadline) override {
    return inner_.read(buffer, size, deadline);
  }
  std::size_t try_read(void* buffer, std::size_t size) override {
    return waits() ? 0 : inner_.try_read(buffer, size);
  }
  bool wait(pull::Millis limit) override {
    if (!waits()) return inner_.wait(limit);
    std::this_thread::sleep_for(1ms);
    return false;
  }
  void write(std::string_view bytes, pull::Millis deadline) override { inner_.write(bytes, deadline); }
  std::optional<int> exit_status(pull::Millis deadline) override { return inner_.exit_status(deadline); }

 private:
  [[nodiscard]] bool waits() const {
    return meeting_.tried && meeting_.begun < meeting_.awaited &&
           std::chrono::steady_clock::now() < meeting_.until;
  }
  pull::ByteStream& inner_;
  const Meeting& meeting_;
};

// A process that joins, as sshd would start it; ends without a word behind `limit` bytes.
class Joiner final : public pull::ByteStream {
 public:
  Joiner(Meeting& meeting, const std::string& server, const Digest& ticket, std::uint64_t limit = UINT64_MAX)
      : agent_({"--server", server, "--join", ticket.hex()}), meeting_(meeting), left_(limit) {}
  std::size_t read(void* buffer, std::size_t size, pull::Millis deadline) override {
    if (left_ == 0) return 0;
    return passed(agent_.stream().read(buffer, std::min<std::uint64_t>(size, left_), deadline));
  }
  std::size_t try_read(void* buffer, std::size_t size) override {
    return left_ == 0 ? 0 : passed(agent_.stream().try_read(buffer, std::min<std::uint64_t>(size, left_)));
  }
  bool wait(pull::Millis limit) override { return left_ == 0 || agent_.stream().wait(limit); }
  void write(std::string_view bytes, pull::Millis deadline) override {
    agent_.stream().write(bytes, deadline);
    ++meeting_.begun;
  }
  std::optional<int> exit_status(pull::Millis deadline) override {
    return agent_.stream().exit_status(deadline);
  }
  [[nodiscard]] int status() { return agent_.child().wait(); }

 private:
  std::size_t passed(std::size_t bytes) {
    left_ -= bytes;
    meeting_.carried += bytes;
    return bytes;
  }
  AgentProcess agent_;
  Meeting& meeting_;
  std::uint64_t left_;
};

class StripesOfAPull : public ::testing::Test {
 protected:
  void SetUp() override {
    ensure_directory(world_.source());
    for (std::uint32_t i = 1; i <= 6; ++i) {
      const Fd fd = open_file(world_.source() + "/" + std::to_string(i), O_WRONLY | O_CREAT, 0644);
      write_all(fd.get(), noise(4 * kMiB, i));
    }
  }
  [[nodiscard]] pull::PullOptions options(pull::OpenStripe open) {
    pull::PullOptions out;
    out.stripes = 2;
    out.stripes_after = 1;
    out.stripes_wait_percent = 0;
    out.idle = 20s;
    out.open_stripe = [this, open = std::move(open)](const Digest& ticket) {
      meeting_.tried = true;
      return open(ticket);
    };
    return out;
  }
  // Joins as `server`.
  [[nodiscard]] pull::OpenStripe joins(const std::string& server = "web1", std::uint64_t limit = UINT64_MAX) {
    return [this, server, limit](const Digest& ticket) {
      return std::make_unique<Joiner>(meeting_, server, ticket, limit);
    };
  }
  // Plays this instead of a stripe, as soon as the agent gave a ticket.
  [[nodiscard]] pull::OpenStripe says(const std::string& script) {
    return [this, script](const Digest&) {
      ++meeting_.begun;
      return std::make_unique<ScriptStream>(script);
    };
  }
  pull::PullReport pull(const pull::PullOptions& options, int awaited, std::vector<std::string> more = {}) {
    meeting_.awaited = awaited;
    more.insert(more.end(), {"--server", "web1", world_.source()});
    AgentProcess agent(std::move(more));
    FirstLine line(agent.stream(), meeting_);
    const auto writer = world_.writer();
    pull::PullReport report = world_.resume_from(line, *writer, options);
    world_.commit(*writer, report);
    EXPECT_EQ(world_.differences(), "");
    return report;
  }
  // A pull of a client that nothing is stored of ends with this kind of error.
  void expect(Kind kind, const pull::PullOptions& options) {
    meeting_.awaited = 1;
    meeting_.begun = 0;
    meeting_.tried = false;
    AgentProcess agent({"--server", "web1", world_.source()});
    FirstLine line(agent.stream(), meeting_);
    const auto writer = world_.writer("liar" + std::to_string(++liars_));
    try {
      (void)world_.pull_from(line, *writer, options);
      ADD_FAILURE() << "the pull went well";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind) << error.what();
    }
  }

  PullWorld world_;
  Meeting meeting_;
  int liars_ = 0;
};

EncodedGroup small_group() {
  EncodedGroup group;
  group.bytes = "content";
  group.content_bytes = 7;
  return group;
}

template <class Message>
std::string frame(FrameType type, const Message& message) {
  std::string out;
  pull::append_frame(out, type, pull::encode(message));
  return out;
}

TEST_F(StripesOfAPull, CarryGroupsOfTheSamePull) {
  const pull::PullReport report = pull(options(joins()), 2);
  EXPECT_EQ(report.stripes, 2U);
  EXPECT_GT(meeting_.carried, kMiB);
  EXPECT_GT(report.received_bytes, 24 * kMiB);
}

TEST_F(StripesOfAPull, CarryWhatComesUnaskedAlsoBeforeItsRecipe) {
  pull::PullOptions far = options(joins());
  far.unasked = true;
  const pull::PullReport report = pull(far, 2);
  EXPECT_EQ(report.stripes, 2U);
  EXPECT_GT(meeting_.carried, kMiB);
  EXPECT_LT(report.received_bytes, 25 * kMiB);
}

TEST_F(StripesOfAPull, AreNotAskedForWhenTheyDoNotPay) {
  AgentProcess agent({"--server", "web1", world_.source()});
  RecordingStream stream(agent.stream());
  const auto writer = world_.writer();
  (void)world_.pull_from(stream, *writer);
  EXPECT_EQ(stream.from_server().find(pull::kFeatureStripes), std::string::npos);
  EXPECT_EQ(stream.from_agent().find(pull::kFeatureStripes), std::string::npos);
}

TEST_F(StripesOfAPull, AnAgentWithoutThemIsPulledOverOneLine) {
  AgentProcess agent({world_.source()});
  const auto writer = world_.writer();
  EXPECT_EQ(world_.pull_from(agent.stream(), *writer, options(joins())).stripes, 0U);
}

TEST_F(StripesOfAPull, AWrongTicketLeadsNowhereAndHarmsNothing) {
  std::atomic<int> refused{0};
  const auto open = [&](const Digest& ticket) -> std::unique_ptr<pull::ByteStream> {
    Digest wrong = ticket;
    wrong.bytes.back() ^= 1U;
    refused += Joiner(meeting_, "web1", wrong).status() == kExitRefused ? 1 : 0;
    Digest elsewhere = ticket;
    elsewhere.bytes.front() ^= 1U;
    refused += Joiner(meeting_, "web1", elsewhere).status() == kExitRefused ? 1 : 0;
    ++meeting_.begun;
    throw Error(Kind::Refused, "refused");
  };
  EXPECT_EQ(pull(options(open), 2).stripes, 0U);
  EXPECT_EQ(refused, 4);
}

TEST_F(StripesOfAPull, AnotherServersKeyCannotJoin) {
  std::atomic<int> refused{0};
  const auto open = [&](const Digest& ticket) -> std::unique_ptr<pull::ByteStream> {
    refused += Joiner(meeting_, "web2", ticket).status() == kExitRefused ? 1 : 0;
    return std::make_unique<Joiner>(meeting_, "web1", ticket);  // still worth something to its owner
  };
  EXPECT_EQ(pull(options(open), 2).stripes, 2U);
  EXPECT_EQ(refused, 2);
}

TEST_F(StripesOfAPull, ATicketWorksOnce) {
  std::atomic<int> turn{0};
  std::mutex mutex;
  std::optional<Digest> first;
  const auto open = [&](const Digest& ticket) {
    const std::lock_guard lock(mutex);
    if (!first) first = ticket;
    return std::make_unique<Joiner>(meeting_, "web1", *first);
  };
  EXPECT_EQ(pull(options(open), 1).stripes, 1U);
}

TEST_F(StripesOfAPull, ATicketExpires) {
  std::atomic<int> refused{0};
  const auto open = [&](const Digest& ticket) -> std::unique_ptr<pull::ByteStream> {
    std::this_thread::sleep_for(500ms);
    refused += Joiner(meeting_, "web1", ticket).status() == kExitRefused ? 1 : 0;
    ++meeting_.begun;
    throw Error(Kind::Refused, "late");
  };
  EXPECT_EQ(pull(options(open), 2, {"--stripes-ms", "50"}).stripes, 0U);
  EXPECT_EQ(refused, 2);
}

TEST_F(StripesOfAPull, OneThatNeverComesIsNobodysLoss) {
  const auto open = [](const Digest&) -> std::unique_ptr<pull::ByteStream> {
    throw Error(Kind::Transient, "no way there");
  };
  EXPECT_EQ(pull(options(open), 0).stripes, 0U);
}

TEST_F(StripesOfAPull, OneThatBreaksIsACutAndOnlyWhatWasUnderWayComesAgain) {
  const std::uint64_t cut = 2 * kMiB + 300'000;
  EXPECT_THROW((void)pull(options(joins("web1", cut)), 1), Error);
  const std::uint64_t first = meeting_.carried;
  EXPECT_GE(first, cut);
  AgentProcess agent({world_.source()});
  const auto writer = world_.writer();
  const pull::PullReport again = world_.resume_from(agent.stream(), *writer);
  world_.commit(*writer, again);
  EXPECT_EQ(world_.differences("again"), "");
  // What the stripes carried whole is not sent again: all but a part of a group of each.
  EXPECT_LT(again.received_bytes, 24 * kMiB - (first - 2 * (kMiB + kMiB / 4)) + kMiB / 4);
}

TEST_F(StripesOfAPull, AnAgentThatLiesOnAStripeIsFoundOut) {
  const std::string joined = frame(FrameType::Joined, pull::Joined{});
  const pull::Group unknown{77, small_group()};
  expect(Kind::Protocol, options(says(joined + frame(FrameType::Group, unknown))));
  expect(Kind::Protocol, options(says(joined + frame(FrameType::Enter, pull::Enter{"x"}))));
  expect(Kind::Protocol, options(says(joined + frame(FrameType::StripeEnd, pull::StripeEnd{1}))));
  expect(Kind::Transient, options(says(joined)));
}

TEST_F(StripesOfAPull, OneThatBeginsWithSomethingElseIsNotCountedOn) {
  const pull::Group unknown{77, small_group()};
  EXPECT_EQ(pull(options(says(frame(FrameType::Group, unknown))), 2).stripes, 0U);
}

TEST_F(StripesOfAPull, TicketsThatNobodyAskedForEndThePull) {
  AgentScript script;
  script.say(FrameType::Tickets, pull::Tickets{});
  ScriptStream stream(script.bytes());
  const auto writer = world_.writer();
  try {
    (void)world_.pull_from(stream, *writer);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Protocol) << error.what();
  }
}

// The agent after a server that asks so often, with the feature agreed or not.
int status_after_asking(const PullWorld& world, int often, bool agreed) {
  AgentProcess agent({"--server", "web1", world.source()});
  std::vector<std::string> features;
  if (agreed) features.emplace_back(pull::kFeatureStripes);
  std::string script = frame(FrameType::Hello, pull::Hello{1, features, {}, kIdAlgorithmSha256, 0}) +
                       frame(FrameType::Open, pull::Open{world.source()});
  for (int i = 0; i < often; ++i) script += frame(FrameType::Stripes, pull::Stripes{2});
  agent.stream().write(script, 5s);
  (void)agent.stream().exit_status(0ms);  // closes our end
  std::string out(65536, '\0');
  while (agent.stream().read(out.data(), out.size(), 20s) > 0) {
  }
  return agent.child().wait();
}

TEST_F(StripesOfAPull, AnAgentOpensItsDoorOnceAndOnlyWhenItWasAgreed) {
  EXPECT_EQ(status_after_asking(world_, 1, false), kExitProtocol);
  EXPECT_EQ(status_after_asking(world_, 2, true), kExitProtocol);
  EXPECT_EQ(status_after_asking(world_, 1, true),
            kExitTryLater);  // the line ended, and nothing else was wrong
}

// Real sshd, real sessions, a long way.
class FarStripes : public StripesOfAPull {
 protected:
  FarStripes() : server_({"command=\"" BK_TREE_AGENT " --server web1 " + world_.source() + "\" ", {}, {}}) {}
  pull::PullReport pull_far(const LongWay& way, unsigned stripes, ssh::Bandwidth bandwidth = {}) {
    ssh::Endpoint endpoint = server_.endpoint();
    endpoint.address.port = way.port();
    endpoint.bandwidth = std::move(bandwidth);
    ssh::Session session(endpoint);
    EXPECT_TRUE(pull::is_far(session.round_trip()));
    const auto channel = session.exec("backline tree");
    pull::ChannelStream stream(*channel);
    pull::PullOptions far = options(pull::stripes_over_ssh(endpoint));
    far.stripes = stripes;
    const auto writer = world_.writer();
    pull::PullReport report = world_.resume_from(stream, *writer, far);
    world_.commit(*writer, report);
    EXPECT_EQ(world_.differences("far"), "");
    return report;
  }
  Sshd server_;
};

TEST_F(FarStripes, ComeAsSessionsOfTheirOwn) {
  LongWay way(server_.port(), {"--delay", "40"});
  const unsigned stripes = pull_far(way, 3, {8 * kMiB, world_.file("pace")}).stripes;
  EXPECT_GE(stripes, 1U);
  EXPECT_EQ(way.stop().connections, 4U);
}

TEST_F(FarStripes, ShareTheirClientsBandwidth) {
  LongWay way(server_.port(), {"--delay", "20"});
  const auto began = std::chrono::steady_clock::now();
  (void)pull_far(way, 3, {12 * kMiB, world_.file("pace")});
  EXPECT_GT(std::chrono::steady_clock::now() - began, 1300ms);  // 24 MiB, half a second's worth at once
}

TEST_F(FarStripes, ACutOfAllLinesCostsLittle) {
  std::uint64_t carried = 0;
  {
    LongWay way(server_.port(), {"--delay", "20", "--cut-after", "14000000"});
    EXPECT_THROW((void)pull_far(way, 3), Error);
    carried = way.stop().down;
  }
  LongWay way(server_.port(), {"--delay", "20"});
  (void)pull_far(way, 0);
  carried += way.stop().down;
  std::printf("sent twice: %.1f MB\n", 1e-6 * (static_cast<double>(carried) - 24.0 * kMiB));
  EXPECT_LT(carried, 24 * kMiB + 4 * (kMiB + kMiB / 4) + kMiB);
}

}  // namespace
}  // namespace bk::test
