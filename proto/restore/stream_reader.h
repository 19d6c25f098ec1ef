// Reads a restore stream and drives a RestoreSink with it.
//
// What comes from the far side is checked before it is used: lengths, types, order, the digest at the end.
// Names and paths are checked by the sink, where they become files.  Pure.  Throws Protocol; what the sink
// throws comes through.
#pragma once

#include "proto/restore/frame.h"
#include "proto/restore/messages.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace bk::pull {
class PayloadReader;
}

namespace bk::restore {

// What a stream leads to.
class Receiver {
 public:
  virtual ~Receiver() = default;
  virtual void text(std::string_view text) = 0;
  virtual void finding(const Finding& finding) = 0;
  // One tree after the other; what belongs to it goes to the sink, which lives until tree_end().
  [[nodiscard]] virtual RestoreSink& tree(const Tree& tree) = 0;
  virtual void tree_end() = 0;
  // A frame for the far side, which waits for it.
  virtual void say(std::string_view frame);
};

class StreamReader {
 public:
  explicit StreamReader(Receiver& receiver) : receiver_(receiver) {}
  void feed(std::string_view bytes);
  // The end of the bytes: throws Protocol unless Done or Fail was the last thing.
  void end();
  // The far side's exit status, from Done; Fail throws the error it tells from feed().
  [[nodiscard]] std::optional<int> status() const { return status_; }

 private:
  void take(const Frame& frame);
  void check_order(FrameType type) const;
  void take_entries(std::string_view payload);
  void take_event(pull::PayloadReader& in);
  void take_group(const Frame& frame);
  void take_done(const Frame& frame);
  Receiver& receiver_;
  FrameDecoder frames_;
  GroupDecoder decoder_;
  std::string events_;
  Sha256 digest_;
  std::uint64_t count_ = 0;
  RestoreSink* sink_ = nullptr;  // of the tree that is open
  std::optional<int> status_;
};

}  // namespace bk::restore
