#include "client/apps/send.h"

#include "client/apps/wait_show.h"
#include "client/modules/prepare.h"
#include "client/modules/steps.h"
#include "client/queue/ledger.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/ssh/host_key_mark.h"
#include "common/text/escape.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace bk::client {
namespace {

// A request that waits for one of its own name comes up at most once more; this only bounds a busy queue.
constexpr int kMostRounds = 8;

// No wait is as long (note_failure): one that is was written by a clock that was ahead.
constexpr std::chrono::hours kLongestWait{24};

bool is_waiting(const Queued& item, Timestamp now) {
  return item.not_before && *item.not_before > now && *item.not_before <= now.plus(kLongestWait);
}

class Sender {
 public:
  Sender(const SendContext& context, const ServerConfig& server, bool now)
      : context_(context),
        server_(server),
        now_(now),
        queue_(context.config.home, server.name, server.client, context.clock, context.random),
        ledger_(queue_, context.log) {}

  int run() {
    const std::optional<FileLock> lock = queue_.try_lock();
    if (!lock) {
      context_.complain(server_.name + ": another send_request works on this server; try later");
      return kExitTryLater;
    }
    for (const std::string& text : queue_.recover(context_.config.keep_finished)) bad(text, kExitCorrupt);
    settle();
    std::vector<Queued> work = interrupted();
    for (int round = 0; round < kMostRounds; ++round) {
      for (Queued& item : due()) work.push_back(std::move(item));
      if (work.empty() && round > 0) break;
      prepare(std::exchange(work, {}));
      const bool reached = talk();
      settle();
      if (!reached) break;
    }
    clean_archives(context_.config.home);
    clean_spool(context_.config.home, context_.config.keep_spool, context_.clock.now());
    return status_;
  }

 private:
  void worse(int status) { status_ = std::max(status_, status); }
  void bad(const std::string& text, int status) {
    context_.complain(server_.name + ": " + text);
    context_.log.notice(server_.name + ": " + text);
    worse(status);
  }

  // What killed runs owe, and what the outcomes that were read make due.
  void settle() {
    for (const std::string& text : Steps(context_.config, queue_, context_.log, context_.clock).settle()) {
      context_.complain(server_.name + ": " + text);
      worse(kExitTryLater);
    }
  }

  // Only `preparing` runs a cmd again; its old run's result does not count any more.
  std::vector<Queued> interrupted() {
    std::vector<Queued> out;
    for (Queue::Entry& entry : queue_.list("P").entries) {
      if (entry.item.step != Step::Preparing) continue;
      entry.item.token = context_.random.new_id();
      out.push_back(std::move(entry.item));
    }
    if (!out.empty()) queue_.save_all(out);
    return out;
  }

  std::vector<Queued> due() {
    std::vector<Queued> out;
    const Timestamp time = context_.clock.now();
    for (const Queue::Entry& entry : queue_.list("C").entries) {
      const std::string& id = entry.item.request.id;
      // One attempt a run: --now does not try a failing cmd five times in a row.
      if (tried_.contains(id)) continue;
      if (!now_ && is_waiting(entry.item, time)) continue;
      std::optional<Queued> begun = queue_.begin(entry.item);
      if (!begun) continue;
      tried_.insert(id);
      out.push_back(*std::move(begun));
    }
    return out;
  }

  void prepare(std::vector<Queued> items) {
    const Workshop shop{context_.config, queue_, context_.log, context_.clock};
    for (const Queued& item : prepare_all(shop, std::move(items))) {
      if (item.step == Step::Prepared) continue;
      context_.complain(describe(item));
      worse(item.outcome ? item.outcome->status : kExitTryLater);
    }
  }

  // False when there is nothing to talk about, or nobody to talk to.
  bool talk() {
    const Queue::Listing open = queue_.list("P");
    if (open.entries.empty()) return false;
    bool reached = true;
    const bool marked = path_exists(mark_file());
    try {
      ControlTarget target;
      target.url = server_.url;
      target.host_key = server_.hostkey;
      target.identity = server_.identity;
      target.mark_file = mark_file();
      target.repository = join_path(context_.config.home, "log/queues/" + server_.name + ".git");
      target.timeout = context_.config.push_timeout;
      ensure_directory(parent_of(target.repository));
      const RoundResult result = run_round(target, ledger_);
      if (result.pushed != 0)
        context_.log.line(
            fmt::format("{}: {} requests pushed, {} receipts", server_.name, result.pushed, result.receipts));
    } catch (const Error& error) {
      reached = false;
      tell(error, marked);
      worse(exit_status(error.kind()));
    }
    // What was read before an error counts.
    for (const Queued& item : ledger_.take_finished()) {
      const proto::Receipt& outcome = *item.outcome;
      (outcome.outcome == proto::Outcome::Ok ? context_.say : context_.complain)(describe(item));
      for (const std::string& entry : outcome.skipped) context_.complain("  skipped: " + entry);
      worse(outcome.status);
    }
    return reached;
  }

  [[nodiscard]] std::string mark_file() const {
    return ssh::host_key_mark_file(context_.config.home, server_.name);
  }
  // Once is enough for a host key that stays changed: the run's exit status and --status go on saying so.
  void tell(const Error& error, bool marked) {
    const std::string text = server_.name + ": " + error.what();
    const bool changed = path_exists(mark_file());
    if (!(changed && marked) || now_) context_.complain(text);
    if (changed && !marked) return context_.log.notice(text);
    context_.log.line(text);
  }

  const SendContext& context_;
  const ServerConfig& server_;
  bool now_;
  Queue queue_;
  QueueLedger ledger_;
  int status_ = kExitDone;
  std::set<std::string> tried_;
};

}  // namespace

int send_to(const SendContext& context, const ServerConfig& server, bool now) {
  return Sender(context, server, now).run();
}

}  // namespace bk::client
