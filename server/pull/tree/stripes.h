// Further lines of one pull (docs/protocol/pull.md, Stripes): a thread for each connects, shows its ticket
// and reads Groups; the pull's own thread takes them.
//
// A stripe counts once it was told to go.  Before, whatever becomes of it is nobody's loss; behind, it ends
// with its own count of groups and status 0, or the pull is cut.  Memory: a frame waiting and one coming for
// each, and what its stream holds.
#pragma once

#include "proto/pull/frame.h"
#include "proto/pull/messages.h"
#include "server/pull/stream.h"
#include "server/pull/tree_pull.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace bk::pull {

class StripeLines {
 public:
  // `idle`: how long a stripe may be silent in the middle of a frame, or before its first.
  StripeLines(OpenStripe open, const std::vector<Digest>& tickets, Millis idle);
  ~StripeLines();  // whoever still connects is waited for
  StripeLines(const StripeLines&) = delete;
  StripeLines& operator=(const StripeLines&) = delete;

  // A Group that is here.
  [[nodiscard]] std::optional<Frame> take();
  // Groups of later batches stay where they are, and their stripes wait: until close(), all of them count.
  void expect_before(std::uint64_t batch);
  // take() would give one, or check() throw.
  [[nodiscard]] bool ready();
  // Throws what ended a stripe that counts, once all that came over it was taken.
  void check();
  // Until ready() or over(), or for `limit`.
  void wait(Millis limit);
  // The pull is done: stripes that do not count yet are given up.
  void close();
  // The pull is lost: each stripe takes what is here by now, and ends.
  void give_up();
  // Every stripe has ended and all that came was taken.
  [[nodiscard]] bool over();

  [[nodiscard]] std::uint64_t received_bytes() const { return received_; }
  [[nodiscard]] unsigned counted();  // that carried, or may have carried, something

 private:
  enum class State { Open, Closing, GivenUp, Dropped };
  struct Stripe {
    Digest ticket;
    bool counts = false, over = false;
    std::optional<Frame> group;
    std::uint64_t batch = 0;  // of that
    std::exception_ptr error;
    std::thread thread;
  };
  class Reader;
  void run(Stripe& stripe);
  void carry(Stripe& stripe);
  [[nodiscard]] bool begin(Stripe& stripe, ByteStream& stream);
  [[nodiscard]] bool put(Stripe& stripe, Frame frame);
  void set(State state);
  [[nodiscard]] State state();
  [[nodiscard]] bool moved(const Stripe& stripe) const {
    return has_group(stripe) || (!stripe.group && stripe.error);
  }
  [[nodiscard]] bool has_group(const Stripe& stripe) const {
    return stripe.group && stripe.batch < expected_before_;
  }

  OpenStripe open_;
  Millis idle_;
  std::atomic<std::uint64_t> received_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  State state_ = State::Open;
  std::uint64_t expected_before_ = UINT64_MAX;
  std::list<Stripe> stripes_;
};

}  // namespace bk::pull
