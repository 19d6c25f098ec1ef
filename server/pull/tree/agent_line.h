// The server's end of a pull: frames over a byte stream, with deadlines and counts.
//
// Answers are gathered and sent before the line is waited for, so that one write carries many.
#pragma once

#include "proto/pull/frame.h"
#include "proto/pull/messages.h"
#include "server/pull/stream.h"
#include "server/pull/tree/heart.h"
#include "server/pull/tree/pace.h"
#include "server/pull/tree_pull.h"

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace bk::pull {

class AgentLine {
 public:
  AgentLine(ByteStream& stream, const PullOptions& options);

  template <class Message>
  void send(FrameType type, const Message& message) {
    append_frame(out_, type, encode(message));
  }
  // The agent listens for Heartbeats: they are sent from now on, also while the caller is busy elsewhere.
  void start_heart() { heart_.start(options_.heartbeat); }
  // Called whenever bytes came, also those of a frame that is not whole yet.
  void when_bytes_come(std::function<void()> call) { bytes_came_ = std::move(call); }
  // The next frame that is not a sign of life.  Refused and Fail become errors.  Throws Transient at the end
  // of the stream and after a deadline.
  [[nodiscard]] Frame receive();
  // As receive(), but any other type is a Protocol error.
  [[nodiscard]] Frame expect(FrameType type);
  // After Done: the stream ends without another byte, and the agent with status 0.
  void expect_end();

  [[nodiscard]] std::uint64_t frames() const { return frames_; }  // received, signs of life not counted
  [[nodiscard]] std::uint64_t received_bytes() const { return received_bytes_; }
  [[nodiscard]] std::uint64_t sent_bytes() const { return sent_bytes_; }

 private:
  void flush();
  void fill();
  void wait_for_bytes();
  [[noreturn]] void broken_off();
  [[nodiscard]] std::string last_words();

  ByteStream& stream_;
  PullOptions options_;
  Heart heart_;
  std::chrono::steady_clock::time_point end_;
  std::function<void()> bytes_came_ = [] {};
  FrameDecoder decoder_;
  Pace pace_;
  std::string out_;
  std::vector<char> buffer_;
  std::uint64_t frames_ = 0, received_bytes_ = 0, sent_bytes_ = 0;
};

}  // namespace bk::pull
