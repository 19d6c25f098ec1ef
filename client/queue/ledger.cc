#include "client/queue/ledger.h"

#include "common/io/crash.h"
#include "common/text/escape.h"

#include <algorithm>
#include <map>

namespace bk::client {

void QueueLedger::finish(Queue::Entry entry, const proto::Receipt& receipt) {
  // A waiting request with an outcome: this home was put back to an older state, and the server did the work
  // since.  It is not done twice.
  if (entry.state == 'C') {
    std::optional<Queued> begun = queue_.begin(entry.item);
    if (!begun) return;
    entry.item = *std::move(begun);
    entry.item.token.clear();
  }
  note_outcome(entry.item, receipt);
  queue_.finish(entry.item);
  log_.line(describe(entry.item));
  if (entry.item.outcome->outcome != proto::Outcome::Ok) log_.notice(describe(entry.item));
  finished_.push_back(std::move(entry.item));
}

void QueueLedger::apply(const std::vector<proto::Receipt>& receipts, std::uint64_t /*mark*/) {
  if (receipts.empty()) return;
  std::map<std::string, Queue::Entry> open;
  for (Queue::Entry& entry : queue_.list("CP").entries) {
    std::string id = entry.item.request.id;
    open.insert_or_assign(std::move(id), std::move(entry));
  }
  std::vector<Queued> taken;
  for (const proto::Receipt& receipt : receipts) {
    const auto at = open.find(receipt.id);
    if (at == open.end()) continue;
    if (proto::is_final(receipt.outcome)) {
      finish(std::move(at->second), receipt);
      open.erase(at);
    } else if (at->second.state == 'P' &&
               (at->second.item.step == Step::Sent || at->second.item.step == Step::Prepared)) {
      at->second.item.step = Step::Taken;
      taken.push_back(at->second.item);
    }
  }
  if (!taken.empty()) queue_.save_all(taken);
  crash_point("send.receipts");
}

std::vector<proto::Request> QueueLedger::unacknowledged(std::uint64_t mark) {
  std::vector<Queued> items;
  for (Queue::Entry& entry : queue_.list("P").entries) {
    const Step step = entry.item.step;
    // Taken, and the server's mark is below it: the server was put back to an older copy and forgot it.  When
    // it does know it, its id makes asking again harmless.
    const bool is_forgotten = step == Step::Taken && entry.item.request.counter > mark;
    if (step == Step::Prepared || step == Step::Sent || is_forgotten) items.push_back(std::move(entry.item));
  }
  std::vector<Queued> fresh;
  const auto numberless =
      std::count_if(items.begin(), items.end(), [](const Queued& item) { return item.request.counter == 0; });
  std::uint64_t next =
      numberless != 0 ? queue_.take_counters(mark, static_cast<std::uint64_t>(numberless)) : 0;
  for (Queued& item : items) {
    if (item.request.counter == 0) item.request.counter = next++;
    if (item.step == Step::Sent) continue;
    item.step = Step::Sent;
    fresh.push_back(item);
  }
  // Before the push: after a crash in mid-push nobody knows whether it arrived.
  if (!fresh.empty()) queue_.save_all(fresh);
  crash_point("send.marked");
  std::vector<proto::Request> out;
  for (Queued& item : items) out.push_back(std::move(item.request));
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.counter < b.counter; });
  return out;
}

}  // namespace bk::client
