// Receipts: what the server says of requests.  One file per request in the tree of refs/heads/receipts, named
// by the request's id, text format "bk-receipt 1" (docs/formats/receipt.md).  Pure.
//
// The branch holds only what the client has not confirmed.  A client confirms by pushing an "OK<id>" entry:
// see docs/protocol/control.md.
#pragma once

#include "common/time/time.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bk::proto {

enum class Outcome {
  Taken,    // the TODO entry is durable: the client may stop re-pushing
  Ok,       // a verified snapshot
  Partial,  // a snapshot, but entries were skipped or flagged
  Refused,  // will not be done: policy, consent, a bad request
  Failed,   // attempts exhausted
};
[[nodiscard]] std::string_view to_word(Outcome outcome);

struct Receipt {
  std::string id;  // the request's
  Outcome outcome = Outcome::Taken;
  Timestamp time;        // the server's clock
  std::string reason;    // one line for people; empty for taken and ok
  int status = 0;        // the exit status that stands for the outcome (DESIGN 2): 0, 3, 65, 74, 76, 77 …
  std::string snapshot;  // ok, partial: 64 hex digits
  std::uint64_t files = 0, bytes = 0;  // the client's own logical numbers
  std::uint64_t skipped_count = 0;
  std::vector<std::string> skipped;  // "<reason> <percent path>", at most kMaxSkippedShown
  bool operator==(const Receipt&) const = default;
};

inline constexpr std::size_t kMaxSkippedShown = 100;
inline constexpr std::size_t kMaxReceiptBytes = 1U << 20U;

[[nodiscard]] bool is_final(Outcome outcome);  // everything but Taken
[[nodiscard]] std::string write_receipt(const Receipt& receipt);
[[nodiscard]] Receipt parse_receipt(std::string_view text);  // throws Protocol

}  // namespace bk::proto
