#include "server/pull/tree/agent_line.h"

#include "common/error/error.h"
#include "common/text/escape.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace bk::pull {

namespace {

constexpr std::size_t kReadBytes = 256U << 10U;
constexpr Millis kSlice{1000};
constexpr Millis kLookFor{250};       // at the line, before more of them are asked for
constexpr Millis kStripeSlice{5};     // two things to wait for: the line, and after that the stripes
constexpr Millis kRescueLimit{2000};  // for what came over lines of which one is broken
constexpr std::size_t kRescueBytes = 16U << 20U;  // what can wait in the session

[[noreturn]] void throw_late() { throw Error(Kind::Cancelled, "the pull took longer than its time limit"); }

// What an agent may say of itself: its Fail cannot make us believe that our own store is damaged.
Kind kind_of(std::uint8_t byte) {
  switch (static_cast<Kind>(byte)) {
    case Kind::Refused:
      return Kind::Refused;
    case Kind::Protocol:
      return Kind::Protocol;
    default:
      return Kind::Transient;
  }
}

}  // namespace

AgentLine::AgentLine(ByteStream& stream, const PullOptions& options)
    : stream_(stream),
      options_(options),
      heart_(stream),
      end_(std::chrono::steady_clock::now() + options.total),
      buffer_(kReadBytes) {}

std::string AgentLine::last_words() {
  std::string words = stream_.take_stderr();
  words.resize(std::min<std::size_t>(words.size(), 300));
  return words.empty() ? std::string() : fmt::format("; it said {}", quoted(words));
}

void AgentLine::broken_off() {
  std::string status = "was lost";
  if (const auto code = stream_.exit_status(std::min(options_.idle, Millis(5000)))) {
    status = fmt::format("ended with status {}", *code);
  }
  throw Error(Kind::Transient, fmt::format("the agent {} before the pull was done{}", status, last_words()));
}

void AgentLine::flush() {
  if (out_.empty()) return;
  const std::lock_guard lock(heart_.line());
  stream_.write(out_, options_.idle);
  heart_.spoke();
  sent_bytes_ += out_.size();
  out_.clear();
}

// Between two slices of waiting: deadlines, and the heart beats.
void AgentLine::wait_a_moment(std::chrono::steady_clock::time_point until) {
  const auto now = std::chrono::steady_clock::now();
  if (now > until) throw Error(Kind::Transient, "the agent said nothing until the deadline");
  if (now > end_) throw_late();
  if (options_.poll) options_.poll();
  heart_.beat();
}

// False: a stripe has something.
bool AgentLine::wait_for_bytes() {
  const Millis slice = std::clamp(options_.heartbeat / 4, Millis(1), stripes_ ? kStripeSlice : kSlice);
  const auto until = std::chrono::steady_clock::now() + options_.idle;
  while (!stream_.wait(slice)) {
    if (stripes_ && stripes_->ready()) return false;
    wait_a_moment(until);
  }
  return true;
}

void AgentLine::fill() {
  if (options_.poll) options_.poll();
  const std::unique_lock lock(heart_.line());
  std::size_t got = stream_.try_read(buffer_.data(), buffer_.size());
  if (got == 0) {
    const auto begin = std::chrono::steady_clock::now();
    if (!wait_for_bytes()) return stripes_->check();
    waited_ += std::chrono::steady_clock::now() - begin;
    got = stream_.read(buffer_.data(), buffer_.size(), options_.idle);
    if (got == 0) broken_off();
  }
  received_bytes_ += got;
  decoder_.feed({buffer_.data(), got});
}

Frame AgentLine::receive() {
  for (;;) {
    if (std::chrono::steady_clock::now() > end_) throw_late();
    auto frame = stripes_ ? stripes_->take() : std::nullopt;
    if (!frame) frame = decoder_.next();
    if (!frame) {
      if (pace_.too_slow(std::chrono::steady_clock::now(), received_bytes(), !decoder_.empty()))
        throw Error(Kind::Cancelled, "less than 64 KiB came in five minutes");
      flush();
      fill();
      bytes_came_();
      continue;
    }
    if (frame->type == FrameType::KeepAlive) {
      (void)decode_keep_alive(frame->payload);
      continue;
    }
    ++frames_;
    if (frame->type == FrameType::Refused) {
      throw Error(Kind::Refused,
                  fmt::format("the agent refused: {}", quoted(decode_refused(frame->payload).reason)));
    }
    if (frame->type == FrameType::Fail) {
      const Fail fail = decode_fail(frame->payload);
      throw Error(kind_of(fail.kind), fmt::format("the agent gave up: {}", quoted(fail.text)));
    }
    return std::move(*frame);
  }
}

// Stripes.

void AgentLine::hold_needs(bool yes) {
  if (hold_needs_ && !yes) out_ += std::exchange(held_needs_, {});
  hold_needs_ = yes;
}

// Whether most of the time since the last look went by with waiting for it.
bool AgentLine::line_is_the_limit() {
  if (options_.stripes_wait_percent == 0) return true;
  const auto now = std::chrono::steady_clock::now();
  if (looked_since_ && now - *looked_since_ < kLookFor) return false;
  const auto waited = waited_ - std::exchange(waited_before_, waited_);
  const auto since = std::exchange(looked_since_, now);
  return since && waited * 100 >= (now - *since) * options_.stripes_wait_percent;
}

void AgentLine::content_came(std::size_t bytes) {
  content_bytes_ += bytes;
  if (!stripes_agreed_ || stripes_asked_ || content_bytes_ < options_.stripes_after) return;
  if (!line_is_the_limit()) return;
  stripes_asked_ = true;
  send(FrameType::Stripes, Stripes{std::min<std::uint64_t>(options_.stripes, kMaxStripes)});
}

void AgentLine::open_stripes(const Tickets& message) {
  if (!stripes_asked_ || stripes_ || message.tickets.size() > options_.stripes)
    throw Error(Kind::Protocol, "the agent sends Tickets that nobody asked for");
  stripes_ = std::make_unique<StripeLines>(options_.open_stripe, message.tickets, options_.idle);
  stripes_->expect_before(expected_before_);
}

std::optional<Frame> AgentLine::receive_late() {
  if (!stripes_) return std::nullopt;
  stripes_->close();
  flush();
  const std::unique_lock lock(heart_.line());
  for (const auto until = std::chrono::steady_clock::now() + options_.idle;; wait_a_moment(until)) {
    if (auto frame = stripes_->take()) {
      ++frames_;
      return frame;
    }
    stripes_->check();
    if (stripes_->over()) return std::nullopt;
    stripes_->wait(std::clamp(options_.heartbeat / 4, Millis(1), kSlice));
  }
}

std::optional<Frame> AgentLine::rescue_first_line() {
  const auto now = std::chrono::steady_clock::now();
  if (!rescue_until_) rescue_until_ = now + kRescueLimit;
  while (now < *rescue_until_) {
    if (auto frame = decoder_.next()) {
      if (frame->type == FrameType::KeepAlive) continue;
      const bool goes_on = frame->type != FrameType::Refused && frame->type != FrameType::Fail &&
                           frame->type != FrameType::Done;
      if (!goes_on) return std::nullopt;
      ++frames_;
      return frame;
    }
    const std::unique_lock lock(heart_.line());
    const std::size_t got =
        rescued_bytes_ < kRescueBytes ? stream_.try_read(buffer_.data(), buffer_.size()) : 0;
    if (got == 0) return std::nullopt;
    rescued_bytes_ += got;
    received_bytes_ += got;
    decoder_.feed({buffer_.data(), got});
  }
  return std::nullopt;
}

std::optional<Frame> AgentLine::rescue() {
  if (!stripes_) return std::nullopt;
  stripes_->give_up();
  const auto until = std::chrono::steady_clock::now() + kRescueLimit;
  for (;; stripes_->wait(kStripeSlice)) {
    if (auto frame = stripes_->take()) return frame;
    if (stripes_->over() || std::chrono::steady_clock::now() > until) return std::nullopt;
  }
}

Frame AgentLine::expect(FrameType type) {
  Frame frame = receive();
  if (frame.type == type) return frame;
  throw Error(Kind::Protocol,
              fmt::format("the agent sent {} where {} belongs", frame_name(frame.type), frame_name(type)));
}

void AgentLine::expect_end() {
  if (!decoder_.empty()) throw Error(Kind::Protocol, "the agent sent more after Done");
  char byte = 0;
  flush();
  const std::unique_lock lock(heart_.line());
  if (stream_.read(&byte, 1, options_.idle) != 0)
    throw Error(Kind::Protocol, "the agent sent more after Done");
  const auto status = stream_.exit_status(options_.idle);
  if (status == 0) return;
  throw Error(Kind::Transient,
              fmt::format("the agent {}{}",
                          status ? fmt::format("ended with status {}", *status)
                                 : std::string("was lost after Done, before its exit status came"),
                          last_words()));
}

}  // namespace bk::pull
