#include "server/backup/verdict.h"

#include "server/backup/schedule.h"

#include <algorithm>

namespace bk::server {
namespace {

constexpr std::chrono::minutes kSpaceWait{5};
constexpr std::size_t kMaxReason = 2000;

}  // namespace

std::string one_line(std::string_view text) {
  std::string out(text.substr(0, kMaxReason));
  std::replace_if(
      out.begin(), out.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return out;
}

Verdict judge_failure(const TodoItem& item, const Error& error, const Limits& limits, Timestamp now,
                      Attempt attempt) {
  Verdict out;
  out.item = item;
  out.status = exit_status(error.kind());
  const std::string reason = one_line(error.what());
  if (error.kind() == Kind::Refused) {
    out.end = Finished{proto::Outcome::Refused, kExitRefused, "", reason, now};
    out.notice = true;
    return out;
  }
  if (error.sys_errno() == ENOSPC || error.sys_errno() == EDQUOT) {
    out.notice = !item.last_error.starts_with(kWaitingForSpace);  // once, not every five minutes
    out.item.last_error = kWaitingForSpace + reason;
    out.item.not_before = now.plus(kSpaceWait);
    out.status = kExitTryLater;
    return out;
  }
  const bool suspended = error.kind() == Kind::Cancelled;
  if (attempt != Attempt::Counts && (suspended || error.kind() == Kind::Transient)) {
    const bool further = attempt == Attempt::GotFurther;
    out.notice = suspended && !item.last_error.starts_with(kSuspended);
    out.item.last_error = (suspended ? kSuspended : "cut: ") + reason + (further ? kKept : "");
    out.item.not_before = now.plus(backoff_after(limits, further ? 1 : limits.attempts));
    out.status = kExitTryLater;
    return out;
  }
  if (suspended) out.status = kExitTryLater;
  out.item.last_error = reason;
  ++out.item.attempts;
  out.notice = error.kind() == Kind::Corrupt || error.kind() == Kind::Config;
  if (out.item.attempts >= limits.attempts) {
    out.end = Finished{proto::Outcome::Failed, out.status, "",
                       reason + " (after " + std::to_string(out.item.attempts) + " attempts)", now};
    out.notice = true;
    return out;
  }
  out.item.not_before = now.plus(backoff_after(limits, out.item.attempts));
  return out;
}

int worse_status(int a, int b) {
  static constexpr int kOrder[] = {kExitDone,     kExitPartial, kExitTryLater, kExitNotFound, kExitRefused,
                                   kExitProtocol, kExitIo,      kExitConfig,   kExitCorrupt};
  const auto rank = [](int status) {
    const auto* at = std::find(std::begin(kOrder), std::end(kOrder), status);
    return at - std::begin(kOrder);  // an unknown one is the worst
  };
  return rank(a) >= rank(b) ? a : b;
}

}  // namespace bk::server
