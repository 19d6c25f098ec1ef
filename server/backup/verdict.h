// What a failed attempt means for its request.  Pure.
#pragma once

#include "common/error/error.h"
#include "common/time/time.h"
#include "server/config/config.h"
#include "server/todo/todo_item.h"

#include <optional>
#include <string>
#include <string_view>

namespace bk::server {

struct Verdict {
  // Set: the request ends with this.  Otherwise it goes back to the list as `item`.
  std::optional<Finished> end;
  TodoItem item;        // attempts, not_before and last_error brought up to date
  bool notice = false;  // people should hear of it
  int status = 0;       // what do_backup returns for it
};

// Refused (policy, consent, another host key) ends at once: trying again cannot help.  No space left is
// nobody's fault and is not counted: it waits.  Everything else is tried again after 1, 5, 15, 60 minutes and
// has failed after limits.attempts.
//
// A cut (Transient) or a suspension (Cancelled) need not be one of these: see Attempt.  A first suspension is
// told to people.
enum class Attempt {
  Counts,
  GotFurther,  // it leaves less to do for the next one, which comes soon; not counted
  Ended,       // for the server's own reasons, a time limit among them; not counted, the next comes late
};
[[nodiscard]] Verdict judge_failure(const TodoItem& item, const Error& error, const Limits& limits,
                                    Timestamp now, Attempt attempt = Attempt::Counts);

inline constexpr const char* kWaitingForSpace = "waiting: space: ";
inline constexpr const char* kSuspended = "suspended: ";
inline constexpr const char* kTurnOver = "others waited and its turn was over (limits.turn)";

// For a message: at most 2,000 bytes, control bytes as blanks.
[[nodiscard]] std::string one_line(std::string_view text);

// The worse of two exit statuses (DESIGN 2): done, partial, try later, refused, the peer, our own disk,
// configuration, damaged data.
[[nodiscard]] int worse_status(int a, int b);

}  // namespace bk::server
