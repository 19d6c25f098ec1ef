// The server's sign of life: a Heartbeat whenever it has said nothing for a while, also while the pull's own
// thread is busy in the store.  So an agent knows within a minute that its server is gone.
//
// The stream belongs to whoever holds line(); frames are written whole under it, so none is torn.
#pragma once

#include "server/pull/stream.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace bk::pull {

class Heart {
 public:
  explicit Heart(ByteStream& stream) : stream_(stream) {}
  ~Heart();
  Heart(const Heart&) = delete;
  Heart& operator=(const Heart&) = delete;
  // From now on, every `every`.  Once.
  void start(Millis every);
  // To be held while the stream is used.
  [[nodiscard]] std::mutex& line() { return line_; }
  // With line() held: something was written.
  void spoke() { spoke_ = Clock::now(); }
  // With line() held: sends a Heartbeat when it is time.  Throws as the stream does.
  void beat();

 private:
  using Clock = std::chrono::steady_clock;
  void run();

  ByteStream& stream_;
  std::mutex line_;
  std::condition_variable wake_;
  Clock::time_point spoke_ = Clock::now();
  Millis every_{0};  // 0: not started
  bool over_ = false;
  std::thread thread_;
};

}  // namespace bk::pull
