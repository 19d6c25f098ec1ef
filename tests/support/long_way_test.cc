#include "tests/support/long_way.h"

#include "common/error/error.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>

namespace bk::test {
namespace {

using Clock = std::chrono::steady_clock;

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return out;
}

// A listener, and pairs of connected sockets through whatever leads to it.
class Ends {
 public:
  Ends() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in here = loopback(0);
    socklen_t size = sizeof here;
    auto* plain = reinterpret_cast<sockaddr*>(&here);
    check_sys(::bind(listener_.get(), plain, size), [] { return "binding"; });
    check_sys(::listen(listener_.get(), 8), [] { return "listening"; });
    check_sys(::getsockname(listener_.get(), plain, &size), [] { return "asking"; });
    port = ntohs(here.sin_port);
  }
  std::pair<Fd, Fd> connect_through(std::uint16_t way) {
    Fd near(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in to = loopback(way);
    check_sys(::connect(near.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to),
              [] { return "connecting"; });
    return {std::move(near), Fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC))};
  }
  std::uint16_t port = 0;

 private:
  Fd listener_;
};

void put(const Fd& fd, const std::string& bytes) {
  ASSERT_EQ(::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
}

std::string get(const Fd& fd, std::size_t size) {
  std::string out(size, '\0');
  std::size_t have = 0;
  while (have < size) {
    const ssize_t got = ::read(fd.get(), out.data() + have, size - have);
    if (got <= 0) break;
    have += static_cast<std::size_t>(got);
  }
  out.resize(have);
  return out;
}

bool quiet(const Fd& fd) {
  pollfd wait{fd.get(), POLLIN, 0};
  return ::poll(&wait, 1, 100) == 0;
}

TEST(LongWay, HoldsBytesBackInEachDirectionAndCountsThem) {
  Ends ends;
  LongWay way(ends.port, {"--delay", "40"});
  {
    auto [near, far] = ends.connect_through(way.port());
    for (int i = 0; i < 3; ++i) {
      const auto before = Clock::now();
      put(near, "ping");
      EXPECT_EQ(get(far, 4), "ping");
      put(far, "answer");
      EXPECT_EQ(get(near, 6), "answer");
      EXPECT_GE(Clock::now() - before, std::chrono::milliseconds(40));
    }
    ::shutdown(near.get(), SHUT_WR);
    EXPECT_EQ(get(far, 1), "");
    put(far, "still open");
    EXPECT_EQ(get(near, 10), "still open");
  }
  const LongWay::Carried carried = way.stop();
  EXPECT_EQ(carried.up, 12U);
  EXPECT_EQ(carried.down, 28U);
  EXPECT_EQ(carried.connections, 1U);
}

TEST(LongWay, CutsAtTheByteAndLetsTheNextConnectionThrough) {
  Ends ends;
  const LongWay way(ends.port, {"--cut-after", "5"});
  auto [near, far] = ends.connect_through(way.port());
  auto [other, other_far] = ends.connect_through(way.port());
  put(near, "0123456789");
  EXPECT_LE(get(far, 10).size(), 5U) << "a reset may throw away what was not read";
  EXPECT_EQ(get(other, 1), "") << "every open connection is cut";
  auto [again, again_far] = ends.connect_through(way.port());
  put(again, "0123456789");
  EXPECT_EQ(get(again_far, 10), "0123456789");
}

TEST(LongWay, CutsOnlyOneWhenAskedTo) {
  Ends ends;
  const LongWay way(ends.port, {"--cut-after", "5", "--one"});
  auto [near, far] = ends.connect_through(way.port());
  auto [other, other_far] = ends.connect_through(way.port());
  put(near, "0123456789");
  EXPECT_EQ(get(near, 1), "");
  put(other, "lives");
  EXPECT_EQ(get(other_far, 5), "lives");
}

TEST(LongWay, FreezesWithoutAWord) {
  Ends ends;
  const LongWay way(ends.port, {"--stall-after", "5"});
  auto [near, far] = ends.connect_through(way.port());
  put(near, "0123456789");
  EXPECT_EQ(get(far, 5), "01234");
  EXPECT_TRUE(quiet(far));
  put(far, "x");
  EXPECT_TRUE(quiet(near));
}

}  // namespace
}  // namespace bk::test
