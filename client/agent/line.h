// The agent's end of the line: one thread reads frames, one writes them, a few compress (outbox.h), the
// caller walks and reads files.
//
// Reading never stops while something is written, so the two ends cannot wait for each other.  What the
// server may have on its way is bounded by what was asked of it (answers only), so the inbox has a hard
// limit.
#pragma once

#include "client/agent/outbox.h"
#include "client/agent/stripes.h"
#include "client/agent/tree_server.h"
#include "common/io/fd.h"
#include "proto/pull/frame.h"
#include "proto/pull/messages.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace bk::agent {

class Line {
 public:
  Line(int in_fd, int out_fd, const Deadlines& deadlines);
  ~Line();  // stops both threads at once

  template <class Message>
  void send(pull::FrameType type, const Message& message) {
    send_payload(type, pull::encode(message));
  }
  void send_payload(pull::FrameType type, std::string_view payload);
  // Compressed on its way.
  void send_group(std::uint64_t batch, std::string content);
  // As Outbox: memory of contents to be used again.
  [[nodiscard]] std::string spare() { return outbox_.spare(); }
  void give_back(std::string content) { outbox_.give_back(std::move(content)); }

  // A frame that is there already.
  [[nodiscard]] std::optional<pull::Frame> try_receive();
  // Hands out everything sent so far and waits.  Throws Transient at the end of the stream and after the
  // deadline.
  [[nodiscard]] pull::Frame receive();
  // The server has promised Heartbeats: from now on its silence of deadlines.silence ends the pull, whatever
  // this side is waiting for.
  void expect_heartbeats() { heartbeats_.store(true, std::memory_order_relaxed); }
  // Further lines of the same server may join and take groups off this one (stripes.h); once.  One ticket for
  // each.
  [[nodiscard]] std::vector<Digest> open_stripes(std::size_t count, const std::string& server);
  // Everything is handed to the kernel when it returns, by all lines.
  void finish();

  [[nodiscard]] std::uint64_t frames_sent() const { return frames_sent_; }
  // Says that the caller is at work, so that a sign of life may be sent.
  void tick() { ticks_.fetch_add(1, std::memory_order_relaxed); }

 private:
  void flush();
  void read_loop();
  [[nodiscard]] bool wait_for_server();
  void write_loop();
  void fail(std::exception_ptr error);
  void throw_if_failed();  // with the mutex held

  int in_fd_, out_fd_;
  Deadlines deadlines_;
  Fd wake_;  // an eventfd: readable when both threads shall end
  std::string pending_;
  std::uint64_t frames_sent_ = 0;
  std::atomic<std::uint64_t> ticks_{0};
  std::atomic<bool> heartbeats_{false};

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<pull::Frame> inbox_;
  std::size_t inbox_bytes_ = 0;
  bool at_end_ = false, written_ = false;
  std::exception_ptr error_;
  Outbox outbox_;
  std::thread reader_, writer_;
  std::optional<Stripes> stripes_;
};

}  // namespace bk::agent
