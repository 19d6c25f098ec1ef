#include "client/agent/line.h"

#include "client/agent/line_io.h"
#include "common/error/error.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>

namespace bk::agent {

namespace {

constexpr std::size_t kFlushBytes = 32U << 10U;
constexpr std::size_t kInboxBytes = 1U << 20U;  // far above what a right server can have on its way

}  // namespace

Line::Line(int in_fd, int out_fd, const Deadlines& deadlines)
    : in_fd_(in_fd),
      out_fd_(out_fd),
      deadlines_(deadlines),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      outbox_(Outbox::usual_workers(), deadlines.write) {
  check_sys(wake_.get(), [] { return "making an eventfd"; });
  set_nonblocking(out_fd);
  reader_ = std::thread([this] { read_loop(); });
  writer_ = std::thread([this] { write_loop(); });
}

Line::~Line() {
  const std::uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);
  outbox_.fail(std::make_exception_ptr(Error(Kind::Cancelled, "the pull was given up")));
  stripes_.reset();
  reader_.join();
  writer_.join();
}

void Line::fail(std::exception_ptr error) {
  {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = error;
    changed_.notify_all();
  }
  outbox_.fail(std::move(error));  // after error_: finish() must not take its end for success
}

void Line::throw_if_failed() {
  if (error_) std::rethrow_exception(error_);
}

// Sending.

void Line::send_payload(pull::FrameType type, std::string_view payload) {
  pull::append_frame(pending_, type, payload);
  ++frames_sent_;
  if (pending_.size() >= kFlushBytes) flush();
}

void Line::send_group(std::uint64_t batch, std::string content) {
  flush();
  ++frames_sent_;
  outbox_.put_group(batch, std::move(content));
}

void Line::flush() {
  if (pending_.empty()) return;
  outbox_.put(std::exchange(pending_, {}));
}

void Line::write_loop() {
  try {
    std::uint64_t seen = ticks_.load(std::memory_order_relaxed);
    std::string frames;
    for (;;) {
      const Outbox::Taken taken = outbox_.take(frames, deadlines_.keepalive);
      if (taken == Outbox::Taken::Ended) break;
      const std::uint64_t ticks = ticks_.load(std::memory_order_relaxed);
      const bool at_work = ticks != std::exchange(seen, ticks);
      if (taken == Outbox::Taken::Late) {
        if (!at_work) continue;
        frames.clear();
        pull::append_frame(frames, pull::FrameType::KeepAlive, {});
      }
      write_to_line(out_fd_, frames, wake_.get(), deadlines_.write);
    }
    const std::lock_guard lock(mutex_);
    written_ = true;
    changed_.notify_all();
  } catch (...) {
    fail(std::current_exception());
  }
}

void Line::finish() {
  flush();
  outbox_.close();
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return error_ || written_; });
    throw_if_failed();
  }
  if (!stripes_) return;
  stripes_->finish();
  const std::lock_guard lock(mutex_);
  throw_if_failed();
}

std::vector<Digest> Line::open_stripes(std::size_t count, const std::string& server) {
  stripes_.emplace(outbox_, wake_.get(), deadlines_,
                   [this](std::exception_ptr error) { fail(std::move(error)); });
  return stripes_->open(count, server);
}

// Receiving.

// False when this line is being closed.
bool Line::wait_for_server() {
  const auto since = std::chrono::steady_clock::now();
  for (;;) {
    switch (wait_for(in_fd_, POLLIN, wake_.get(), deadlines_.silence / 8)) {
      case Ready::Yes:
        return true;
      case Ready::Woken:
        return false;
      case Ready::Late:
        break;
    }
    if (heartbeats_.load(std::memory_order_relaxed) &&
        std::chrono::steady_clock::now() - since >= deadlines_.silence)
      throw Error(Kind::Transient, "the server has vanished: it gave no sign of life");
  }
}

void Line::read_loop() {
  try {
    pull::FrameDecoder decoder;
    std::array<char, 16384> buffer{};
    for (;;) {
      if (!wait_for_server()) return;
      const ssize_t got = ::read(in_fd_, buffer.data(), buffer.size());
      if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      check_sys(got, [] { return "reading from the line"; });
      if (got > 0) decoder.feed({buffer.data(), static_cast<std::size_t>(got)});
      const std::lock_guard lock(mutex_);
      while (auto frame = decoder.next()) {
        if (frame->type == pull::FrameType::Heartbeat) {
          (void)pull::decode_heartbeat(frame->payload);
          continue;
        }
        inbox_bytes_ += frame->payload.size() + sizeof(pull::Frame);
        inbox_.push_back(std::move(*frame));
      }
      if (inbox_bytes_ > kInboxBytes)
        throw Error(Kind::Protocol, "the server sends more than it was asked for");
      if (got == 0) at_end_ = true;
      changed_.notify_all();
      if (got == 0) return;
    }
  } catch (...) {
    fail(std::current_exception());
  }
}

std::optional<pull::Frame> Line::try_receive() {
  const std::lock_guard lock(mutex_);
  if (inbox_.empty()) {
    throw_if_failed();
    return std::nullopt;
  }
  pull::Frame frame = std::move(inbox_.front());
  inbox_.pop_front();
  inbox_bytes_ -= frame.payload.size() + sizeof(pull::Frame);
  return frame;
}

pull::Frame Line::receive() {
  flush();
  {
    std::unique_lock lock(mutex_);
    const auto ready = [&] { return !inbox_.empty() || error_ || at_end_; };
    if (!changed_.wait_for(lock, deadlines_.peer, ready)) {
      throw Error(Kind::Transient, "no answer of the server until the deadline");
    }
    if (inbox_.empty()) {
      throw_if_failed();
      throw Error(Kind::Transient, "the server ended the line before the pull was done");
    }
  }
  return *try_receive();
}

}  // namespace bk::agent
