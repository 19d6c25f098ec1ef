// One entry of the work list and its text "bk-todo 1" (docs/formats/todo.md).  Pure.
#pragma once

#include "common/time/time.h"
#include "proto/receipt/receipt.h"
#include "proto/request/request.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bk::server {

// How an item ended; the receipt without the id.
struct Finished {
  proto::Outcome outcome = proto::Outcome::Ok;
  int status = 0;
  std::string snapshot;  // 64 hex digits, or empty
  std::string reason;
  Timestamp time;
  bool operator==(const Finished&) const = default;
};

struct TodoItem {
  proto::Request request;        // of the newest id
  std::vector<std::string> ids;  // every request that this item answers, oldest first; each gets the outcome
  std::string by;                // the pushing key's user
  Timestamp taken;               // when the first of them was ingested, the server's clock
  int attempts = 0;
  std::optional<Timestamp> not_before;
  std::string last_error;
  int turns = 0;                     // times that its pull gave its slot to another source
  int turns_lost = 0;                // … and nothing could be kept
  std::optional<Timestamp> yielded;  // when it did so last: since then it waits again
  std::optional<Finished> finished;  // F files only
  bool operator==(const TodoItem&) const = default;
};

[[nodiscard]] std::string write_todo(const TodoItem& item);
// Throws Protocol with line and reason.
[[nodiscard]] TodoItem parse_todo(std::string_view text);

// `item` gets another request.  It keeps its attempts and its not-before time only when the new request names
// the same data: a new archive deserves a new try.
void join(TodoItem& item, const proto::Request& request, const std::string& by);
// Ids of `other` that `item` does not list yet are put in front; turns that it had count.
void join_ids(TodoItem& item, const TodoItem& other);
// True when `whole` lists every id of `part`.
[[nodiscard]] bool lists_all(const TodoItem& whole, const TodoItem& part);

}  // namespace bk::server
