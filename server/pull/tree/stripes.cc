#include "server/pull/tree/stripes.h"

#include "common/error/error.h"
#include "common/ssh/ssh.h"

#include <fmt/format.h>

#include <algorithm>

namespace bk::pull {

namespace {

constexpr std::size_t kReadBytes = 64U << 10U;
constexpr Millis kSlice{100};
constexpr std::chrono::milliseconds kFar{10}, kConnect{10000};
constexpr std::size_t kStripeWindow = 2U << 20U;  // with three, as much as the first line's again

using Clock = std::chrono::steady_clock;

void write_go(ByteStream& stream, Millis limit) {
  std::string frame;
  append_frame(frame, FrameType::Go, encode(Go{}));
  stream.write(frame, limit);
}

// The stripe's count is right, nothing is behind it, and whoever served it says that it went well.
void check_end(const Frame& frame, std::uint64_t groups, bool more, ByteStream& stream, Millis limit) {
  char byte = 0;
  if (decode_stripe_end(frame.payload).groups != groups || more || stream.read(&byte, 1, limit) != 0)
    throw Error(Kind::Protocol, "a stripe's end is not its end");
  if (stream.exit_status(limit) != 0) throw Error(Kind::Transient, "a stripe was lost at its end");
}

}  // namespace

OpenStripe stripes_over_ssh(const ssh::Endpoint& endpoint) {
  ssh::Endpoint to = endpoint;
  to.window = kStripeWindow;
  to.connect_timeout = std::min(to.connect_timeout, kConnect);
  return [to](const Digest& ticket) {
    return std::make_unique<SessionStream>(to, "backline stripe " + ticket.hex());
  };
}

bool is_far(std::chrono::microseconds round_trip) { return round_trip > kFar; }

// Frames of one stripe, until somebody says that it is enough.
class StripeLines::Reader {
 public:
  Reader(StripeLines& lines, ByteStream& stream) : lines_(lines), stream_(stream), buffer_(kReadBytes) {}

  // Nothing: the pull ends without what may still come.
  std::optional<Frame> next(bool counts) {
    auto since = Clock::now();
    for (;;) {
      if (auto frame = decoder_.next()) return frame;
      const State state = lines_.state();
      if (state == State::Dropped || (state == State::Closing && !counts)) return std::nullopt;
      if (!stream_.wait(state == State::GivenUp ? Millis(0) : kSlice)) {
        if (state == State::GivenUp) return std::nullopt;
        const bool waiting = !counts || !decoder_.empty() || state == State::Closing;
        if (waiting && Clock::now() - since > lines_.idle_)
          throw Error(Kind::Transient, "nothing came over a stripe until the deadline");
        continue;
      }
      const std::size_t got = stream_.read(buffer_.data(), buffer_.size(), lines_.idle_);
      if (got == 0) throw Error(Kind::Transient, "a stripe was cut before its end");
      lines_.received_ += got;
      decoder_.feed({buffer_.data(), got});
      since = Clock::now();
    }
  }
  [[nodiscard]] bool empty() const { return decoder_.empty(); }

 private:
  StripeLines& lines_;
  ByteStream& stream_;
  FrameDecoder decoder_;
  std::vector<char> buffer_;
};

StripeLines::StripeLines(OpenStripe open, const std::vector<Digest>& tickets, Millis idle)
    : open_(std::move(open)), idle_(idle) {
  for (const Digest& ticket : tickets) {
    Stripe& stripe = stripes_.emplace_back();
    stripe.ticket = ticket;
    stripe.thread = std::thread([this, &stripe] { run(stripe); });
  }
}

StripeLines::~StripeLines() {
  set(State::Dropped);
  for (Stripe& stripe : stripes_) stripe.thread.join();
}

// The stripes' threads.

void StripeLines::run(Stripe& stripe) {
  std::exception_ptr error;
  try {
    carry(stripe);
  } catch (...) {
    error = std::current_exception();
  }
  const std::lock_guard lock(mutex_);
  if (stripe.counts) stripe.error = std::move(error);
  stripe.over = true;
  changed_.notify_all();
}

void StripeLines::carry(Stripe& stripe) {
  const std::unique_ptr<ByteStream> stream = open_(stripe.ticket);
  Reader reader(*this, *stream);
  const auto joined = reader.next(false);
  if (!joined || joined->type != FrameType::Joined || !begin(stripe, *stream)) return;
  for (std::uint64_t groups = 0;; ++groups) {
    auto frame = reader.next(true);
    if (!frame) return;
    if (frame->type == FrameType::StripeEnd)
      return check_end(*frame, groups, !reader.empty(), *stream, idle_);
    if (frame->type != FrameType::Group)
      throw Error(Kind::Protocol, fmt::format("the agent sent {} on a stripe", frame_name(frame->type)));
    if (!put(stripe, std::move(*frame))) return;
  }
}

bool StripeLines::begin(Stripe& stripe, ByteStream& stream) {
  {
    const std::lock_guard lock(mutex_);
    if (state_ != State::Open) return false;
    stripe.counts = true;  // before the agent may think so
  }
  write_go(stream, idle_);
  return true;
}

bool StripeLines::put(Stripe& stripe, Frame frame) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !stripe.group || state_ == State::Dropped; });
  if (state_ == State::Dropped) return false;
  stripe.batch = decode_group_number(frame.payload);
  stripe.group = std::move(frame);
  changed_.notify_all();
  return true;
}

// The pull's thread.

std::optional<Frame> StripeLines::take() {
  const std::lock_guard lock(mutex_);
  for (auto stripe = stripes_.begin(); stripe != stripes_.end(); ++stripe) {
    if (!has_group(*stripe)) continue;
    Frame frame = std::move(*stripe->group);
    stripe->group.reset();
    stripes_.splice(stripes_.end(), stripes_, stripe);  // the others first, next time
    changed_.notify_all();
    return frame;
  }
  return std::nullopt;
}

bool StripeLines::ready() {
  const std::lock_guard lock(mutex_);
  return std::any_of(stripes_.begin(), stripes_.end(),
                     [this](const Stripe& stripe) { return moved(stripe); });
}

void StripeLines::check() {
  const std::lock_guard lock(mutex_);
  for (const Stripe& stripe : stripes_) {
    if (!stripe.group && stripe.error) std::rethrow_exception(stripe.error);
  }
}

bool StripeLines::over() {
  const std::lock_guard lock(mutex_);
  return std::all_of(stripes_.begin(), stripes_.end(),
                     [](const Stripe& stripe) { return stripe.over && !stripe.group; });
}

void StripeLines::wait(Millis limit) {
  std::unique_lock lock(mutex_);
  const auto ended = [](const Stripe& stripe) { return stripe.over; };
  changed_.wait_for(lock, limit, [&] {
    const auto has_moved = [this](const Stripe& stripe) { return moved(stripe); };
    return std::any_of(stripes_.begin(), stripes_.end(), has_moved) ||
           std::all_of(stripes_.begin(), stripes_.end(), ended);
  });
}

void StripeLines::expect_before(std::uint64_t batch) {
  const std::lock_guard lock(mutex_);
  expected_before_ = batch;
}

void StripeLines::close() { set(State::Closing); }
void StripeLines::give_up() { set(State::GivenUp); }

void StripeLines::set(State state) {
  const std::lock_guard lock(mutex_);
  state_ = state;
  expected_before_ = UINT64_MAX;
  changed_.notify_all();
}

StripeLines::State StripeLines::state() {
  const std::lock_guard lock(mutex_);
  return state_;
}

unsigned StripeLines::counted() {
  const std::lock_guard lock(mutex_);
  return static_cast<unsigned>(
      std::count_if(stripes_.begin(), stripes_.end(), [](const Stripe& stripe) { return stripe.counts; }));
}

}  // namespace bk::pull
