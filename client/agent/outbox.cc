#include "client/agent/outbox.h"

#include "common/compress/group.h"
#include "common/error/error.h"
#include "proto/pull/messages.h"

#include <algorithm>
#include <utility>

namespace bk::agent {

namespace {

constexpr std::size_t kOutboxBytes = 3U << 20U;
constexpr std::size_t kMostSpares = 4;
constexpr unsigned kMostWorkers = 3;  // each has about 2.5 MiB: its tables, and the frame it makes

std::string group_frame(GroupEncoder& encoder, std::uint64_t batch, std::string_view content) {
  std::string frame;
  pull::append_frame(frame, pull::FrameType::Group,
                     pull::encode(pull::Group{batch, encoder.encode(content)}));
  return frame;
}

}  // namespace

unsigned Outbox::usual_workers() { return std::clamp(std::thread::hardware_concurrency(), 1U, kMostWorkers); }

Outbox::Outbox(unsigned workers, std::chrono::milliseconds deadline) : deadline_(deadline) {
  for (unsigned i = 0; i < std::max(workers, 1U); ++i) workers_.emplace_back([this] { work(); });
}

Outbox::~Outbox() {
  fail(std::make_exception_ptr(Error(Kind::Cancelled, "the pull was given up")));
  for (std::thread& worker : workers_) worker.join();
}

void Outbox::put(std::string frames) {
  const std::size_t weight = frames.size();
  enqueue({State::Ready, std::move(frames), 0, weight, false});
}

void Outbox::put_group(std::uint64_t batch, std::string content) {
  const std::size_t weight = content.size();
  enqueue({State::Content, std::move(content), batch, weight, true});
}

void Outbox::enqueue(Parcel parcel) {
  std::unique_lock lock(mutex_);
  const bool room = room_.wait_for(lock, deadline_, [&] { return error_ || bytes_ < kOutboxBytes; });
  if (error_) std::rethrow_exception(error_);
  if (!room) throw Error(Kind::Transient, "the server took nothing from the line until the deadline");
  bytes_ += parcel.weight;
  const bool is_content = parcel.state == State::Content;
  parcels_.push_back(std::move(parcel));
  is_content ? content_.notify_one() : ready_.notify_all();
}

std::string Outbox::spare() {
  const std::lock_guard lock(mutex_);
  if (spares_.empty()) return {};
  std::string out = std::move(spares_.back());
  spares_.pop_back();
  return out;
}

void Outbox::give_back(std::string content) {
  const std::lock_guard lock(mutex_);
  keep(std::move(content));
}

void Outbox::keep(std::string content) {
  if (spares_.size() >= kMostSpares || content.capacity() < kTargetGroupContent) return;
  content.clear();
  spares_.push_back(std::move(content));
}

void Outbox::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  ready_.notify_all();
}

void Outbox::fail(std::exception_ptr error) {
  const std::lock_guard lock(mutex_);
  if (!error_) error_ = std::move(error);
  room_.notify_all();
  ready_.notify_all();
  content_.notify_all();
}

Outbox::Taken Outbox::take(std::string& frames, std::chrono::milliseconds wait) {
  std::unique_lock lock(mutex_);
  const auto has_frames = [&] { return !parcels_.empty() && parcels_.front().state == State::Ready; };
  const auto ended = [&] { return error_ || (closed_ && parcels_.empty()); };
  if (!ready_.wait_for(lock, wait, [&] { return has_frames() || ended(); })) return Taken::Late;
  if (ended()) return Taken::Ended;
  hand_over(parcels_.begin(), frames);
  return Taken::Frames;
}

Outbox::Taken Outbox::take_group(std::string& frame, std::size_t& weight) {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto is_group = [](const Parcel& parcel) { return parcel.is_group; };
    const auto ready = [](const Parcel& parcel) { return parcel.is_group && parcel.state == State::Ready; };
    const auto found = std::find_if(parcels_.begin(), parcels_.end(), ready);
    if (error_) return Taken::Ended;
    if (found != parcels_.end()) {
      weight = found->weight;
      bytes_ += weight;
      hand_over(found, frame);
      return Taken::Frames;
    }
    if (closed_ && std::none_of(parcels_.begin(), parcels_.end(), is_group)) return Taken::Ended;
    ready_.wait(lock);
  }
}

void Outbox::written(std::size_t weight) {
  const std::lock_guard lock(mutex_);
  bytes_ -= weight;
  room_.notify_one();
}

void Outbox::hand_over(Parcels::iterator parcel, std::string& frames) {
  frames = std::move(parcel->bytes);
  bytes_ -= parcel->weight;
  parcels_.erase(parcel);
  room_.notify_one();
  ready_.notify_all();  // another one is the first now
}

bool Outbox::failed() {
  const std::lock_guard lock(mutex_);
  return error_ != nullptr;
}

// Compressing.

Outbox::Parcel* Outbox::next_content() {
  const auto at = std::find_if(parcels_.begin(), parcels_.end(),
                               [](const Parcel& parcel) { return parcel.state == State::Content; });
  return at == parcels_.end() ? nullptr : &*at;
}

void Outbox::work() {
  try {
    GroupEncoder encoder;
    std::unique_lock lock(mutex_);
    for (;;) {
      Parcel* parcel = nullptr;
      content_.wait(lock, [&] { return error_ || (parcel = next_content()) != nullptr; });
      if (error_) return;
      parcel->state = State::Working;
      lock.unlock();
      std::string frame = group_frame(encoder, parcel->batch, parcel->bytes);
      lock.lock();
      keep(std::exchange(parcel->bytes, std::move(frame)));
      parcel->state = State::Ready;
      ready_.notify_all();
    }
  } catch (...) {
    fail(std::current_exception());
  }
}

}  // namespace bk::agent
