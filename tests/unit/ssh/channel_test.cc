#include "common/digest/sha256.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/ssh/ssh.h"
#include "tests/support/long_way.h"
#include "tests/support/sshd.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <functional>

namespace bk::ssh {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using test::Sshd;

Kind kind_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.kind();
  }
  ADD_FAILURE() << "nothing was thrown";
  return Kind::Usage;
}

class SshChannel : public testing::Test {
 protected:
  Sshd server_;
  std::optional<Session> session_{server_.endpoint()};

  // Freezes or ends the far side's end of the line: the connection's sshd.
  void signal_connection(int signal) {
    for (const pid_t pid : server_.descendants()) ASSERT_EQ(::kill(pid, signal), 0);
  }
};

TEST_F(SshChannel, AFrozenPeerEndsAReadAtItsDeadline) {
  const auto channel = session_->exec("echo ready; exec sleep 60");
  char c;
  ASSERT_EQ(channel->read(&c, 1, 10s), 1U);
  while (c != '\n') ASSERT_EQ(channel->read(&c, 1, 10s), 1U);
  signal_connection(SIGSTOP);
  const auto begin = Clock::now();
  EXPECT_EQ(kind_of([&] { (void)channel->read(&c, 1, 500ms); }), Kind::Transient);
  EXPECT_LT(Clock::now() - begin, 3s);
}

TEST_F(SshChannel, AFrozenPeerEndsAWriteAtItsDeadline) {
  const auto channel = session_->exec("exec cat >/dev/null");
  channel->write("begin", 10s);
  signal_connection(SIGSTOP);
  const std::string much(64U << 20U, 'x');
  const auto begin = Clock::now();
  EXPECT_EQ(kind_of([&] { channel->write(much, 500ms); }), Kind::Transient);
  EXPECT_LT(Clock::now() - begin, 10s);
}

TEST_F(SshChannel, AReaderThatDoesNotReadEndsAWriteAtItsDeadline) {
  const auto channel = session_->exec("exec sleep 60");
  const std::string much(16U << 20U, 'x');
  EXPECT_EQ(kind_of([&] { channel->write(much, 500ms); }), Kind::Transient);
}

TEST_F(SshChannel, AFrozenPeerDoesNotHoldUpTheEnd) {
  auto channel = session_->exec("exec sleep 60");
  signal_connection(SIGSTOP);
  const auto begin = Clock::now();
  channel->send_eof();
  channel.reset();
  session_.reset();
  EXPECT_LT(Clock::now() - begin, 2s);
}

TEST_F(SshChannel, APeerKilledInMidStreamIsNoticedAtOnceAndGivesNoStatus) {
  const auto channel = session_->exec("exec cat /dev/zero");
  std::vector<char> buffer(1U << 20U);
  ASSERT_GT(channel->read(buffer.data(), buffer.size(), 10s), 0U);
  signal_connection(SIGKILL);
  const auto begin = Clock::now();
  EXPECT_EQ(kind_of([&] {
              while (channel->read(buffer.data(), buffer.size(), 10s) > 0) {
              }
              if (!channel->exit_status(10s)) throw Error(Kind::Transient, "end of file without a status");
            }),
            Kind::Transient);
  EXPECT_LT(Clock::now() - begin, 5s);
}

TEST_F(SshChannel, ACommandThatExitsWhileWeWriteEndsTheWrite) {
  const auto channel = session_->exec("echo sorry >&2; exit 3");
  const std::string much(64U << 20U, 'x');
  const auto begin = Clock::now();
  EXPECT_EQ(kind_of([&] { channel->write(much, 20s); }), Kind::Transient);
  EXPECT_LT(Clock::now() - begin, 10s);
  EXPECT_EQ(channel->exit_status(10s), 3);
  EXPECT_EQ(channel->take_stderr(), "sorry\n");
}

TEST_F(SshChannel, ACommandKilledByASignalGivesNoExitStatus) {
  const auto channel = session_->exec("kill -KILL $$");
  char c;
  EXPECT_EQ(channel->read(&c, 1, 10s), 0U);  // end of file, which is not success
  EXPECT_EQ(channel->exit_status(10s), std::nullopt);
}

TEST_F(SshChannel, AStatusThatDoesNotComeIsTransient) {
  const auto channel = session_->exec("exec sleep 60");
  EXPECT_EQ(kind_of([&] { (void)channel->exit_status(300ms); }), Kind::Transient);
}

TEST_F(SshChannel, ErrorsBeyondTheLimitAreDroppedAndNeverStallTheLine) {
  const auto channel = session_->exec("head -c 8000000 /dev/zero >&2; echo done");
  char buffer[100];
  EXPECT_EQ(channel->read(buffer, sizeof buffer, 20s), 5U);
  EXPECT_EQ(channel->exit_status(10s), 0);
  EXPECT_EQ(channel->take_stderr().size(), 64U << 10U);
}

TEST_F(SshChannel, TwoHundredMegabytesComeThroughWhole) {
  const auto channel = session_->exec("exec head -c 200000000 /dev/zero");
  std::vector<char> buffer(1U << 20U);
  Sha256 hash;
  std::uint64_t total = 0;
  while (const std::size_t got = channel->read(buffer.data(), buffer.size(), 20s)) {
    total += got;
    hash.update({buffer.data(), got});
  }
  EXPECT_EQ(total, 200000000U);
  EXPECT_EQ(channel->exit_status(10s), 0);
}

// One thread, both directions at once, more than all buffers hold: neither side may wait for the other.
// The far side can only end when all of it was taken off its hands, and nobody has read a byte here.
// Waiting for an exit status that does not come lets the line work without reading from the channel.
TEST_F(SshChannel, WhatWasReceivedBeforeTheLineBrokeIsReadBeforeTheErrorComes) {
  const auto channel = session_->exec("head -c 4000000 /dev/zero; exec sleep 60");
  EXPECT_EQ(kind_of([&] { (void)channel->exit_status(2s); }), Kind::Transient);
  signal_connection(SIGKILL);
  EXPECT_EQ(channel->exit_status(10s), std::nullopt);
  ASSERT_FALSE(session_->alive());
  channel->write("goes nowhere", 1s);
  std::string buffer(100000, '\0');
  std::size_t got = 0;
  while (got < 4000000) got += channel->read(buffer.data(), buffer.size(), 1s);
  EXPECT_EQ(got, 4000000U);
  EXPECT_EQ(kind_of([&] { (void)channel->read(buffer.data(), 1, 1s); }), Kind::Transient);
  EXPECT_EQ(kind_of([&] { channel->write("no more", 1s); }), Kind::Transient);
}

// Ours, libssh's, the kernel's: all of it comes in order, and far more than memory may hold waits outside.
TEST_F(SshChannel, AReaderThatComesLateGetsEverythingInOrder) {
  const auto channel = session_->exec("seq 10000000 14000000");
  EXPECT_EQ(kind_of([&] { (void)channel->exit_status(1s); }), Kind::Transient);
  std::string all, buffer(50000, '\0');
  while (const std::size_t got = channel->read(buffer.data(), buffer.size(), 20s)) all.append(buffer, 0, got);
  ASSERT_EQ(all.size(), 4000001U * 9U);
  for (std::size_t i = 0; i < all.size() / 9; i += 7)
    ASSERT_EQ(all.substr(i * 9, 9), std::to_string(10000000 + i) + "\n");
  EXPECT_EQ(channel->exit_status(10s), 0);
}

TEST_F(SshChannel, SevenMegabytesMayBeOnTheirWay) {
  const auto channel = session_->exec("exec head -c 7000000 /dev/zero");
  EXPECT_EQ(channel->exit_status(60s), 0);
  std::vector<char> buffer(1U << 20U);
  std::size_t bytes = 0;
  while (const std::size_t got = channel->read(buffer.data(), buffer.size(), 10s)) bytes += got;
  EXPECT_EQ(bytes, 7000000U);
}

TEST_F(SshChannel, OneThreadReadsAndWritesAtTheSameTime) {
  const auto channel = session_->exec("exec cat");
  constexpr std::uint64_t kTotal = 100U << 20U;
  const std::string piece(1U << 20U, 'y');
  std::vector<char> buffer(1U << 20U);
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  while (!channel->at_end()) {
    const Channel::Ready ready = channel->wait(true, sent < kTotal, 20s);
    ASSERT_TRUE(ready.readable || ready.writable);
    if (ready.readable) received += channel->try_read(buffer.data(), buffer.size());
    if (!ready.writable) continue;
    sent += channel->try_write(std::string_view(piece).substr(sent % piece.size()));
    if (sent == kTotal) channel->send_eof();
  }
  EXPECT_EQ(received, kTotal);
  EXPECT_EQ(channel->exit_status(10s), 0);
}

TEST_F(SshChannel, WaitLooksOnlyWhenTheDeadlineIsZero) {
  const auto channel = session_->exec("exec cat");
  EXPECT_FALSE(channel->wait(true, false, 0ms).readable);
  EXPECT_TRUE(channel->wait(false, true, 10s).writable);
}

// libssh reads 4 KiB at a time, also when it is only asked whether there is anything.
TEST_F(SshChannel, AWaitEndsWithWhatCameWhoeverTookItFromTheSocket) {
  const auto channel = session_->exec("while read n; do head -c $n /dev/zero; done");
  std::vector<char> buffer(1U << 20U);
  for (std::size_t bytes = 1000; bytes < 30000; bytes += 1000) {
    channel->write(std::to_string(bytes) + "\n", 10s);
    for (std::size_t got = 0; got < bytes;) {
      const auto begin = Clock::now();
      ASSERT_TRUE(channel->wait(true, false, 20s).readable) << got << " of " << bytes;
      ASSERT_LT(Clock::now() - begin, 10s) << got << " of " << bytes;
      got += channel->try_read(buffer.data(), buffer.size());
    }
  }
}

TEST_F(SshChannel, SeveralChannelsShareOneSession) {
  const auto slow = session_->exec("cat; echo slow");
  for (int i = 0; i < 5; ++i) {
    const auto quick = session_->exec("echo quick");
    char buffer[100];
    EXPECT_EQ(quick->read(buffer, sizeof buffer, 10s), 6U);
    EXPECT_EQ(quick->exit_status(10s), 0);
  }
  slow->send_eof();
  char buffer[100];
  EXPECT_EQ(slow->read(buffer, sizeof buffer, 10s), 5U);
}

// The connection, its kernels and the proxy live on; only nothing goes through any more.
class SshVanished : public testing::Test {
 protected:
  Sshd server_;
  test::LongWay way_{server_.port(), {"--stall-after", "200000"}};
  [[nodiscard]] Endpoint through(std::chrono::milliseconds probe) const {
    Endpoint to = server_.endpoint();
    to.address.port = way_.port();
    to.probe = probe;
    return to;
  }
};

TEST_F(SshVanished, AFarSideBehindAFrozenLineIsGivenUpThoughNobodyClosed) {
  Session session(through(50ms));
  const auto channel = session.exec("head -c 300000 /dev/zero; exec sleep 60");
  std::vector<char> buffer(1U << 20U);
  std::string text;
  try {
    while (channel->read(buffer.data(), buffer.size(), 60s) > 0) {
    }
  } catch (const Error& error) {
    text = error.what();
    EXPECT_EQ(error.kind(), Kind::Transient);
  }
  EXPECT_NE(text.find("vanished"), std::string::npos) << text;
  EXPECT_FALSE(session.alive());
}

TEST_F(SshVanished, AWriterIsToldToo) {
  Session session(through(50ms));
  const auto channel = session.exec("exec cat >/dev/null");
  const std::string much(64U << 20U, 'x');
  EXPECT_EQ(kind_of([&] { channel->write(much, 60s); }), Kind::Transient);
  EXPECT_FALSE(session.alive());
}

TEST_F(SshChannel, AFarSideThatIsOnlySilentIsNotGivenUp) {
  Endpoint to = server_.endpoint();
  to.probe = 200ms;  // five without an answer: a second in which a busy machine lets the far side do nothing
  Session session(to);
  const auto channel = session.exec("sleep 3; echo still here");
  char buffer[64];
  EXPECT_EQ(channel->read(buffer, sizeof buffer, 10s), 11U);
}

}  // namespace
}  // namespace bk::ssh
