// One request as the client's queue holds it: what was asked, how far it got, what came of it.
//
// Text format "bk-queued 1" (docs/formats/queue.md).  Pure: no I/O, no clock.
#pragma once

#include "common/time/time.h"
#include "proto/receipt/receipt.h"
#include "proto/request/request.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bk::client {

// How far a request got.  C files are Waiting, P files Preparing to Taken (Waiting or Done only between two
// steps of a move), F files Done.
enum class Step {
  Waiting,    // for its turn, or for its next attempt
  Preparing,  // the module's cmd runs; after a crash it runs again
  Prepared,   // the data is ready; the cmd never runs again for this request
  Sent,       // a push may have carried it: nothing is known until a receipt is read
  Taken,      // the server has it durably; it is not pushed any more
  Done,       // with an outcome
};
[[nodiscard]] std::string_view to_word(Step step);

struct Queued {
  proto::Request request;  // method, place, counter are empty until they are known
  std::string server;      // configured name
  Step step = Step::Waiting;
  std::vector<std::string> joined;  // ids of later equal requests that this one answers, too
  unsigned attempts = 0;            // of the cmd, failed ones
  std::optional<Timestamp> not_before;
  std::string reason;                     // of the last failure
  std::string token;                      // while Preparing: names the run whose result counts
  std::optional<proto::Receipt> outcome;  // Done
  bool operator==(const Queued&) const = default;

  [[nodiscard]] std::string stem() const { return proto::request_stem(request.module, request.name); }
  [[nodiscard]] bool answers(std::string_view id) const;
};

[[nodiscard]] std::string write_queued(const Queued& item);
[[nodiscard]] Queued parse_queued(std::string_view text);  // throws Protocol

// What a cmd's add_queue left for send_request.  Text format "bk-ready 1" (docs/formats/queue.md).
struct Ready {
  std::string method, place;
  Timestamp prepared;
  std::optional<std::uint64_t> archive_bytes;
  std::string archive_sha256;
  std::uint64_t skipped_count = 0;
  std::vector<std::string> skipped;
};
[[nodiscard]] std::string write_ready(const Ready& ready);
[[nodiscard]] Ready parse_ready(std::string_view text);  // throws Protocol
// Moves what a cmd prepared into the item: it is Prepared now.
void adopt(Queued& item, const Ready& ready);

inline constexpr unsigned kMaxAttempts = 5;
// 1, 5, 15, then 60 minutes: how long to wait after the n-th failed attempt.
[[nodiscard]] std::chrono::minutes backoff(unsigned attempts);
// Notes a failed attempt.  True when there will be another one; false when it was the last: the item is Done,
// failed.
[[nodiscard]] bool note_failure(Queued& item, std::string_view reason, int status, Timestamp now);

// Ends the item with what the server says.  A source that the cmd could not read in full makes "ok" partial.
void note_outcome(Queued& item, const proto::Receipt& receipt);
// One line for people: "C directories /srv/www -> main: waiting until …, attempt 2: reason".
[[nodiscard]] std::string describe(const Queued& item);

}  // namespace bk::client
