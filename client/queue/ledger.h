// The queue as the control line sees it: what to push, and where receipts go.
#pragma once

#include "client/control/control.h"
#include "client/queue/queue.h"
#include "common/log/log.h"

#include <vector>

namespace bk::client {

// Holder of the queue's lock only.
class QueueLedger final : public Ledger {
 public:
  QueueLedger(Queue& queue, const Log& log) : queue_(queue), log_(log) {}

  // `taken` ends re-pushing, an outcome makes F: durable when it returns (I1).
  void apply(const std::vector<proto::Receipt>& receipts, std::uint64_t mark) override;
  [[nodiscard]] std::vector<proto::Request> unacknowledged(std::uint64_t mark) override;

  // What has ended since the last call, with its outcome.
  [[nodiscard]] std::vector<Queued> take_finished() { return std::exchange(finished_, {}); }

 private:
  void finish(Queue::Entry entry, const proto::Receipt& receipt);

  Queue& queue_;
  const Log& log_;
  std::vector<Queued> finished_;
};

}  // namespace bk::client
