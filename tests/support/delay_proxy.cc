// A long way to somewhere near: a TCP proxy on loopback that holds every byte back for half a round trip in
// each direction, at any rate, and can cut or freeze the line at a chosen byte.  For tests and benchmarks;
// the usage is in README.md.
//
// One thread, poll(2); what is on its way lies in queues of (time it is due, bytes).
#include "common/error/error.h"
#include "common/io/fd.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace {

using bk::check_sys;
using bk::Fd;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kPieceBytes = 128U << 10U;
constexpr std::size_t kQueueBytes = 64U << 20U;  // on its way in one direction: 1.2 GB/s at 50 ms

volatile std::sig_atomic_t g_stop = 0;

struct Options {
  sockaddr_in to{};
  std::uint16_t port = 0;
  std::chrono::microseconds delay{0};  // the round trip
  std::uint64_t cut_after = 0, stall_after = 0;
  int times = 1;
  bool one = false;
};

struct Piece {
  Clock::time_point due;
  std::unique_ptr<char[]> bytes;
  std::size_t from = 0, to = 0;  // from == to: the end of the stream
};

struct Way {  // one direction of a connection
  std::deque<Piece> pieces;
  std::size_t queued = 0;
  bool ended = false;  // nothing more is read
  bool done = false;   // the end was passed on
};

struct Connection {
  Fd client, server;
  Clock::time_point open;  // the handshake takes a round trip, too
  Way up, down;
  bool frozen = false, dead = false;
};

Fd listen_on(std::uint16_t& port) {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in here{};
  here.sin_family = AF_INET;
  here.sin_port = htons(port);
  here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof here;
  auto* plain = reinterpret_cast<sockaddr*>(&here);
  check_sys(::bind(fd.get(), plain, size), [] { return "binding"; });
  check_sys(::listen(fd.get(), 64), [] { return "listening"; });
  check_sys(::getsockname(fd.get(), plain, &size), [] { return "asking for the port"; });
  port = ntohs(here.sin_port);
  return fd;
}

class Proxy {
 public:
  explicit Proxy(const Options& options) : options_(options), listener_(listen_on(options_.port)) {
    std::printf("port %u\n", static_cast<unsigned>(options_.port));
    (void)std::fflush(stdout);
  }

  void run(const sigset_t& open_mask) {
    while (g_stop == 0) {
      std::vector<pollfd> polled{{listener_.get(), POLLIN, 0}};
      const auto now = Clock::now();
      std::optional<Clock::time_point> next;
      for (const Connection& c : connections_) {
        polled.push_back(interest(c, c.client, c.up, c.down, now, next));
        polled.push_back(interest(c, c.server, c.down, c.up, now, next));
      }
      timespec wait{};
      if (next) {
        const auto left =
            std::chrono::duration_cast<std::chrono::nanoseconds>(std::max(*next - now, Clock::duration(0)));
        wait = {left.count() / 1'000'000'000, left.count() % 1'000'000'000};
      }
      if (::ppoll(polled.data(), polled.size(), next ? &wait : nullptr, &open_mask) < 0) {
        if (errno == EINTR) continue;
        throw bk::sys_error(errno, "waiting");
      }
      move_all(polled);
      if (polled[0].revents != 0) accept_one();
    }
    std::printf("up %llu down %llu connections %llu\n", static_cast<unsigned long long>(up_bytes_),
                static_cast<unsigned long long>(down_bytes_), static_cast<unsigned long long>(accepted_));
  }

 private:
  // What to wait for on the socket that `in` is read from and `out` written to.  A socket of which we want
  // nothing is left out (negative), or its hang-up would wake us for ever.
  static pollfd interest(const Connection& c, const Fd& fd, const Way& in, const Way& out,
                         Clock::time_point now, std::optional<Clock::time_point>& next) {
    if (c.frozen) return {-1, 0, 0};
    short events = 0;
    if (!in.ended && in.queued < kQueueBytes) events |= POLLIN;
    if (!out.pieces.empty()) {
      const auto due = out.pieces.front().due;
      if (due <= now) {
        events |= POLLOUT;
      } else if (!next || due < *next) {
        next = due;
      }
    }
    return {events != 0 ? fd.get() : -1, events, 0};
  }

  void move_all(std::vector<pollfd>& polled) {
    std::size_t i = 1;
    for (Connection& c : connections_) {
      const short client = polled[i++].revents, server = polled[i++].revents;
      if (c.frozen) continue;
      if (client != 0) take(c, c.client, c.up);
      if (server != 0) take(c, c.server, c.down);
      give(c, c.server, c.up, up_bytes_);
      give(c, c.client, c.down, down_bytes_);
    }
    connections_.remove_if([](const Connection& c) { return c.dead || (c.up.done && c.down.done); });
  }

  void accept_one() {
    Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!client) return;
    Fd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(server.get(), reinterpret_cast<const sockaddr*>(&options_.to), sizeof options_.to) != 0)
      return;
    const int one = 1;
    for (const Fd* fd : {&client, &server})
      (void)::setsockopt(fd->get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    ++accepted_;
    Connection c;
    c.client = std::move(client);
    c.server = std::move(server);
    c.open = Clock::now() + options_.delay;
    connections_.push_back(std::move(c));
  }

  void take(Connection& c, const Fd& fd, Way& way) {
    while (!way.ended && way.queued < kQueueBytes) {
      Piece piece;
      piece.bytes = spare();
      const ssize_t got = ::recv(fd.get(), piece.bytes.get(), kPieceBytes, MSG_DONTWAIT);
      if (got < 0) {
        spare_.push_back(std::move(piece.bytes));
        if (errno != EAGAIN && errno != EINTR) c.dead = true;
        return;
      }
      piece.due = std::max(Clock::now(), c.open) + options_.delay / 2;
      piece.to = static_cast<std::size_t>(got);
      way.ended = got == 0;
      way.queued += piece.to;
      way.pieces.push_back(std::move(piece));
      if (got < static_cast<ssize_t>(kPieceBytes)) return;
    }
  }

  void give(Connection& c, const Fd& fd, Way& way, std::uint64_t& counter) {
    const auto now = Clock::now();
    while (!c.dead && !c.frozen && !way.pieces.empty() && way.pieces.front().due <= now) {
      Piece& piece = way.pieces.front();
      if (piece.from == piece.to) {  // the end
        (void)::shutdown(fd.get(), SHUT_WR);
        way.done = true;
        way.pieces.pop_front();
        return;
      }
      const std::size_t size = std::min<std::uint64_t>(piece.to - piece.from, left_before_accident());
      const ssize_t put = ::send(fd.get(), piece.bytes.get() + piece.from, size, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (put < 0) {
        if (errno != EAGAIN && errno != EINTR) c.dead = true;
        return;
      }
      piece.from += static_cast<std::size_t>(put);
      way.queued -= static_cast<std::size_t>(put);
      counter += static_cast<std::uint64_t>(put);
      if (piece.from == piece.to) {
        spare_.push_back(std::move(piece.bytes));
        way.pieces.pop_front();
      }
      if (left_before_accident() == 0) return accident(c);
    }
  }

  [[nodiscard]] std::uint64_t left_before_accident() const {
    const std::uint64_t after = options_.cut_after != 0 ? options_.cut_after : options_.stall_after;
    if (after == 0 || options_.times <= 0) return ~0ULL;
    return last_accident_ + after - (up_bytes_ + down_bytes_);
  }

  void accident(Connection& here) {
    last_accident_ = up_bytes_ + down_bytes_;
    --options_.times;
    for (Connection& c : connections_) {
      if (c.frozen || (options_.one && &c != &here)) continue;
      options_.cut_after != 0 ? cut(c) : static_cast<void>(c.frozen = true);
    }
  }

  // As a broken line looks when somebody says so: a reset on both sides.
  static void cut(Connection& c) {
    const linger at_once{1, 0};
    for (const Fd* fd : {&c.client, &c.server})
      (void)::setsockopt(fd->get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    c.dead = true;
  }

  std::unique_ptr<char[]> spare() {
    if (spare_.empty()) return std::unique_ptr<char[]>(new char[kPieceBytes]);
    auto out = std::move(spare_.back());
    spare_.pop_back();
    return out;
  }

  Options options_;
  Fd listener_;
  std::list<Connection> connections_;
  std::vector<std::unique_ptr<char[]>> spare_;
  std::uint64_t up_bytes_ = 0, down_bytes_ = 0, accepted_ = 0, last_accident_ = 0;
};

[[noreturn]] void usage(const std::string& why) {
  throw bk::Error(
      bk::Kind::Usage,
      why +
          "\nusage: delay_proxy --to ADDRESS:PORT [--port PORT] [--delay MS] [--cut-after BYTES | "
          "--stall-after BYTES] [--times N] [--one]");
}

Options parse(const std::vector<std::string>& words) {
  Options out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--one") {
      out.one = true;
      continue;
    }
    if (i + 1 == words.size()) usage(word + " needs a value");
    const std::string& value = words[++i];
    if (word == "--to") {
      const std::size_t colon = value.find(':');
      if (colon == std::string::npos) usage("--to is ADDRESS:PORT");
      const std::string host = value.substr(0, colon) == "localhost" ? "127.0.0.1" : value.substr(0, colon);
      out.to.sin_family = AF_INET;
      out.to.sin_port = htons(static_cast<std::uint16_t>(std::stoul(value.substr(colon + 1))));
      if (::inet_pton(AF_INET, host.c_str(), &out.to.sin_addr) != 1) usage("--to is ADDRESS:PORT");
    } else if (word == "--port") {
      out.port = static_cast<std::uint16_t>(std::stoul(value));
    } else if (word == "--delay") {
      out.delay = std::chrono::microseconds(static_cast<std::int64_t>(std::stod(value) * 1000));
    } else if (word == "--cut-after") {
      out.cut_after = std::stoull(value);
    } else if (word == "--stall-after") {
      out.stall_after = std::stoull(value);
    } else if (word == "--times") {
      out.times = std::stoi(value);
    } else {
      usage("unknown option " + word);
    }
  }
  if (out.to.sin_port == 0) usage("--to is missing");
  return out;
}

// Signals end ppoll(2) and nothing else, so none is missed.
sigset_t catch_signals() {
  struct sigaction action {};
  action.sa_handler = [](int) { g_stop = 1; };
  sigset_t blocked, open_mask;
  ::sigemptyset(&blocked);
  for (const int signal : {SIGTERM, SIGINT}) {
    (void)::sigaction(signal, &action, nullptr);
    ::sigaddset(&blocked, signal);
  }
  (void)::sigprocmask(SIG_BLOCK, &blocked, &open_mask);
  for (const int signal : {SIGTERM, SIGINT}) ::sigdelset(&open_mask, signal);
  return open_mask;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const sigset_t open_mask = catch_signals();
    Proxy proxy(parse({argv + 1, argv + argc}));
    proxy.run(open_mask);
    return bk::kExitDone;
  } catch (const bk::Error& error) {
    (void)std::fprintf(stderr, "delay_proxy: %s\n", error.what());
    return bk::exit_status(error.kind());
  } catch (const std::exception& error) {
    (void)std::fprintf(stderr, "delay_proxy: not a number: %s\n", error.what());
    return bk::kExitUsage;
  }
}
