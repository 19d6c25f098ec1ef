// Tells a line that is dying from one that is slow: bytes that trickle inside a frame keep every deadline of
// silence, and would hold a worker for as long as a pull may last.  Pure: the caller has the clock.
#pragma once

#include <chrono>
#include <cstdint>

namespace bk::pull {

class Pace {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::minutes kWindow{5};
  static constexpr std::uint64_t kLeastBytes = 64U << 10U;  // in a window; less than 220 bytes a second

  // To be told after bytes came: how many in all, and whether a frame is incomplete.  Between frames an agent
  // may be at work for as long as it says so.  True when too little came for a whole window.
  [[nodiscard]] bool too_slow(Time now, std::uint64_t received, bool within_frame) {
    const bool slow = within_frame && since_ != Time{} && now - since_ >= kWindow &&
                      received - received_then_ < kLeastBytes;
    if (!within_frame || since_ == Time{} || now - since_ >= kWindow) {
      since_ = within_frame ? now : Time{};
      received_then_ = received;
    }
    return slow;
  }

 private:
  Time since_{};  // when the window began; zero between frames
  std::uint64_t received_then_ = 0;
};

}  // namespace bk::pull
