#include "server/pull/tree/heart.h"

#include "common/error/error.h"
#include "proto/pull/messages.h"

#include <string>

namespace bk::pull {

namespace {

constexpr Millis kWriteLimit{5000};  // a line without room for five bytes is noticed by its owner

}  // namespace

Heart::~Heart() {
  {
    const std::lock_guard lock(line_);
    over_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Heart::start(Millis every) {
  const std::lock_guard lock(line_);
  every_ = every;
  thread_ = std::thread([this] { run(); });
}

void Heart::beat() {
  if (every_ == Millis(0) || Clock::now() - spoke_ < every_) return;
  std::string frame;
  append_frame(frame, FrameType::Heartbeat, encode(Heartbeat{}));
  stream_.write(frame, kWriteLimit);
  spoke();
}

// Gets the lock only while the owner is away, in the store; while it waits for the line it beats itself.
void Heart::run() {
  std::unique_lock lock(line_);
  while (!wake_.wait_for(lock, every_ / 4, [this] { return over_; })) {
    try {
      beat();
    } catch (const Error&) {
      return;  // the owner meets the same error
    }
  }
}

}  // namespace bk::pull
