// One push round over the control line: docs/protocol/control.md, "A push round, as the client sees it".
//
// requests/ on the client is the truth and git only the transport.  The line therefore knows no state of its
// own that matters: it asks the Ledger (client/queue) what is not acknowledged, and hands it every receipt.
#pragma once

#include "proto/receipt/receipt.h"
#include "proto/request/request.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace bk::client {

struct ControlTarget {
  std::string url;         // ssh://user@host[:port]/CLIENT.git
  std::string host_key;    // pinned, "<type> <base64>"
  std::string identity;    // private key file
  std::string mark_file;   // where a changed host key is noted, see common/ssh/host_key_mark.h
  std::string repository;  // our bare repository, <home>/log/queues/<server>.git; made when missing, rebuilt
                           // when damaged: nothing in it is needed
  std::chrono::milliseconds timeout{120000};  // no progress for this long ends the round
};

// What the line needs of the queue.  One thread.
class Ledger {
 public:
  virtual ~Ledger() = default;
  // Every receipt that is on the branch now, and the server's mark.  When it returns, what it says is
  // durable: only then may the commit it was read from be confirmed.  Receipts for requests we do not know
  // are normal (a rolled-back client): they are noted and may be confirmed.
  virtual void apply(const std::vector<proto::Receipt>& receipts, std::uint64_t mark) = 0;
  // Every prepared request without any receipt, or whose counter is above `mark` (the server forgot it),
  // oldest counter first; new ones get counters above `mark` and everything known, durably, before it
  // returns.
  [[nodiscard]] virtual std::vector<proto::Request> unacknowledged(std::uint64_t mark) = 0;
};

struct RoundResult {
  std::size_t pushed = 0;    // requests in accepted pushes (which acknowledges nothing: I1)
  std::size_t receipts = 0;  // receipts read, in all
};

// Fetches, applies, pushes what is not acknowledged (at most 1,000 a push) and what is to be confirmed,
// fetches again and applies.  Ends when everything was pushed once and outcomes are confirmed; it does not
// wait for them. Throws Transient (network, deadline, lost races; the state is then unknown and the next
// round finds out), Refused (host key, key not accepted, push refused by the server's rules: the reason is in
// the text), Protocol (a receipt or mark that cannot be parsed), Io, Config (bad URL or key file).
[[nodiscard]] RoundResult run_round(const ControlTarget& target, Ledger& ledger);

}  // namespace bk::client
