#include "client/agent/stripes.h"

#include "client/agent/line_io.h"
#include "common/error/error.h"
#include "proto/pull/messages.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

namespace bk::agent {

namespace {

template <class Message>
std::string frame_of(pull::FrameType type, const Message& message) {
  std::string out;
  pull::append_frame(out, type, pull::encode(message));
  return out;
}

}  // namespace

Stripes::Stripes(Outbox& outbox, int wake, const Deadlines& deadlines,
                 std::function<void(std::exception_ptr)> fail)
    : outbox_(outbox),
      wake_(wake),
      deadlines_(deadlines),
      fail_(std::move(fail)),
      closing_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  check_sys(closing_.get(), [] { return "making an eventfd"; });
}

Stripes::~Stripes() { finish(); }

std::vector<Digest> Stripes::open(std::size_t count, const std::string& server) {
  try {
    door_.emplace(count);
  } catch (const Error&) {
    return {};
  }
  doorkeeper_ = std::thread([this, server] { receive(server); });
  return door_->tickets();
}

void Stripes::finish() {
  const std::uint64_t one = 1;
  (void)!::write(closing_.get(), &one, sizeof one);
  if (doorkeeper_.joinable()) doorkeeper_.join();
  for (std::thread& carrier : carriers_) carrier.join();
  carriers_.clear();
}

void Stripes::receive(const std::string& server) {
  try {
    std::vector<Digest> open = door_->tickets();
    const auto until = std::chrono::steady_clock::now() + deadlines_.stripes;
    while (!open.empty()) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
      auto arrival = door_->next(closing_.get(), left);
      if (!arrival) break;
      const auto ticket = std::find(open.begin(), open.end(), arrival->ticket);
      if (ticket == open.end() || arrival->server != server) continue;  // closed without a word
      open.erase(ticket);
      carriers_.emplace_back(
          [this, stripe = std::make_shared<Arrival>(std::move(*arrival))] { carry(*stripe); });
    }
  } catch (const Error&) {  // whoever wanted to join does without
  }
  door_.reset();
}

void Stripes::carry(Arrival& stripe) {
  bool counted = false;
  try {
    admit(stripe);
    const int out = stripe.out.get();
    set_nonblocking(out);
    write_to_line(out, frame_of(pull::FrameType::Joined, pull::Joined{}), wake_, deadlines_.stripes);
    counted = wait_for_go(stripe.in.get());
    const std::uint64_t groups = counted ? send_groups(out) : 0;
    if (outbox_.failed()) return;
    write_to_line(out, frame_of(pull::FrameType::StripeEnd, pull::StripeEnd{groups}), wake_,
                  deadlines_.write);
    stripe.out.reset();
    stripe.in.reset();
    dismiss(stripe);
  } catch (...) {
    if (counted) fail_(std::current_exception());
  }
}

// False: the pull is over before the server counts on this stripe.
bool Stripes::wait_for_go(int fd) {
  pull::FrameDecoder decoder;
  std::array<char, 64> buffer{};
  for (;;) {
    switch (wait_for(fd, POLLIN, closing_.get(), deadlines_.stripes)) {
      case Ready::Woken:
        return false;
      case Ready::Late:
        throw Error(Kind::Transient, "the server does not begin with its stripe");
      case Ready::Yes:
        break;
    }
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got <= 0) throw Error(Kind::Transient, "the server closed a stripe");
    decoder.feed({buffer.data(), static_cast<std::size_t>(got)});
    const auto frame = decoder.next();
    if (!frame) continue;
    if (frame->type != pull::FrameType::Go) throw Error(Kind::Protocol, "a stripe begins without Go");
    (void)pull::decode_go(frame->payload);
    return true;
  }
}

std::uint64_t Stripes::send_groups(int fd) {
  std::uint64_t groups = 0;
  std::size_t weight = 0;
  for (std::string frame; outbox_.take_group(frame, weight) == Outbox::Taken::Frames; ++groups) {
    write_to_line(fd, frame, wake_, deadlines_.write);
    frame = {};
    outbox_.written(weight);
  }
  return groups;
}

}  // namespace bk::agent
