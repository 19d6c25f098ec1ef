// The server's end of a pull: frames over a byte stream, with deadlines and counts.
//
// Answers are gathered and sent before the line is waited for, so that one write carries many.
#pragma once

#include "proto/pull/frame.h"
#include "proto/pull/messages.h"
#include "server/pull/stream.h"
#include "server/pull/tree/heart.h"
#include "server/pull/tree/pace.h"
#include "server/pull/tree/stripes.h"
#include "server/pull/tree_pull.h"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bk::pull {

class AgentLine {
 public:
  AgentLine(ByteStream& stream, const PullOptions& options);

  template <class Message>
  void send(FrameType type, const Message& message) {
    const bool held = hold_needs_ && (type == FrameType::Need || type == FrameType::Signatures);
    append_frame(held ? held_needs_ : out_, type, encode(message));
  }
  // While it is on, Needs and Signatures are kept back: enough of what they asked for is not here yet.
  void hold_needs(bool yes);
  // The agent listens for Heartbeats: they are sent from now on, also while the caller is busy elsewhere.
  void start_heart() { heart_.start(options_.heartbeat); }
  // Called whenever bytes came, also those of a frame that is not whole yet.
  void when_bytes_come(std::function<void()> call) { bytes_came_ = std::move(call); }
  // The next frame that is not a sign of life.  Refused and Fail become errors.  Throws Transient at the end
  // of the stream and after a deadline.
  [[nodiscard]] Frame receive();
  // Stripes: asked for when the agent agreed, so much content came that they pay, and the line is what we
  // wait for.
  void agree_on_stripes() { stripes_agreed_ = true; }
  [[nodiscard]] bool has_stripes() const { return stripes_ != nullptr; }
  void content_came(std::size_t bytes);
  void open_stripes(const Tickets& tickets);
  // Content comes unasked: a Group of this batch or a later one that overtook its recipe waits for it.
  void expect_before(std::uint64_t batch) {
    expected_before_ = batch;
    if (stripes_) stripes_->expect_before(batch);
  }
  // After Done: the next Group of a stripe; nothing when all have ended as they should.
  [[nodiscard]] std::optional<Frame> receive_late();
  // After an error of the line, or when the time is up: the next frame of the first line that came already,
  // and behind the last one, a Group that came whole over a stripe; nothing when there is none any more.
  // Neither waits for the agent, and both end after a moment.
  [[nodiscard]] std::optional<Frame> rescue_first_line();
  [[nodiscard]] std::optional<Frame> rescue();
  [[nodiscard]] unsigned stripes() { return stripes_ ? stripes_->counted() : 0; }
  // As receive(), but any other type is a Protocol error.
  [[nodiscard]] Frame expect(FrameType type);
  // After Done: the stream ends without another byte, and the agent with status 0.
  void expect_end();

  [[nodiscard]] std::uint64_t frames() const { return frames_; }  // received, signs of life not counted
  [[nodiscard]] std::uint64_t received_bytes() const {
    return received_bytes_ + (stripes_ ? stripes_->received_bytes() : 0);
  }
  [[nodiscard]] std::uint64_t sent_bytes() const { return sent_bytes_; }

 private:
  void flush();
  void fill();
  void wait_a_moment(std::chrono::steady_clock::time_point until);
  [[nodiscard]] bool wait_for_bytes();
  [[nodiscard]] bool line_is_the_limit();
  [[noreturn]] void broken_off();
  [[nodiscard]] std::string last_words();

  ByteStream& stream_;
  PullOptions options_;
  Heart heart_;
  std::chrono::steady_clock::time_point end_;
  std::function<void()> bytes_came_ = [] {};
  FrameDecoder decoder_;
  Pace pace_;
  std::string out_, held_needs_;
  bool hold_needs_ = false;
  bool stripes_agreed_ = false, stripes_asked_ = false;
  std::uint64_t content_bytes_ = 0, expected_before_ = UINT64_MAX;
  std::chrono::steady_clock::duration waited_{};  // for the line
  // Since when the line is looked at, and what waited_ was then.
  std::optional<std::chrono::steady_clock::time_point> looked_since_;
  std::chrono::steady_clock::duration waited_before_{};
  std::unique_ptr<StripeLines> stripes_;
  std::vector<char> buffer_;
  std::uint64_t frames_ = 0, received_bytes_ = 0, sent_bytes_ = 0;
  std::optional<std::chrono::steady_clock::time_point> rescue_until_;
  std::size_t rescued_bytes_ = 0;
};

}  // namespace bk::pull
