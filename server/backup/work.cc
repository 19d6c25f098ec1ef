#include "server/backup/work.h"

#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/ssh/host_key_mark.h"
#include "common/text/amount.h"
#include "common/text/escape.h"
#include "common/text/number.h"
#include "server/access/client_rules.h"
#include "server/backup/agentless.h"
#include "server/backup/progress.h"
#include "server/backup/skips.h"
#include "server/backup/stop_signal.h"
#include "server/backup/turns.h"
#include "server/backup/verdict.h"
#include "server/ingest/receipts.h"
#include "server/pull/driver.h"
#include "server/store/store.h"
#include "server/todo/todo.h"
#include "server/views/views.h"

#include <algorithm>
#include <cstdlib>

namespace bk::server {
namespace {

proto::Receipt receipt_of(const Finished& end) {
  proto::Receipt receipt;
  receipt.outcome = end.outcome;
  receipt.time = end.time;
  receipt.reason = end.reason;
  receipt.status = end.status;
  receipt.snapshot = end.snapshot;
  return receipt;
}

Finished finished_of(const store::SnapshotRecord& record, Timestamp now) {
  Finished end{proto::Outcome::Ok, kExitDone, record.id, "", now};
  if (record.skipped_count > 0) {
    end.outcome = proto::Outcome::Partial;
    end.status = kExitPartial;
    end.reason = std::to_string(record.skipped_count) +
                 " entries could not be read, were left out or changed while they were read";
  }
  return end;
}

// Test builds make checkpoints by bytes: their trees are pulled within a second.
std::uint64_t checkpoint_bytes() {
#ifdef BK_CRASH_POINTS
  if (const char* text = std::getenv("BACKLINE_CHECKPOINT_BYTES"))
    return parse_int<std::uint64_t>(text).value_or(0);
#endif
  return 0;
}

class Work {
 public:
  Work(const Worker& worker, std::string client, std::string stem, TodoItem item)
      : worker_(worker),
        client_(std::move(client)),
        stem_(std::move(stem)),
        item_(std::move(item)),
        todo_(worker.config.home + "/TODO") {}

  int succeed() {
    const std::unique_ptr<store::Store> store =
        store::Store::open(worker_.config.store, true, {},
                           {.parity_percent = worker_.config.store_parity,
                            .reserve_bytes = worker_.config.store_reserve,
                            .key_file = worker_.config.store_key_file});
    store->read_past_bad_sectors(true);  // of older snapshots: as what is damaged, it is sent again
    const store::SnapshotRecord record = snapshot(*store);
    open_catalog(worker_.config.home + "/catalog.db", *store)->add(catalog_row(record));
    crash_point("backup.catalogued");
    update_view(worker_.config.home, record);
    crash_point("backup.viewed");
    const Finished end = finished_of(record, worker_.clock.now());
    proto::Receipt receipt = receipt_of(end);
    receipt.files = record.files;
    receipt.bytes = record.bytes;
    receipt.skipped_count = record.skipped_count;
    receipt.skipped.assign(record.skipped.begin(),
                           record.skipped.begin() + static_cast<std::ptrdiff_t>(std::min(
                                                        record.skipped.size(), proto::kMaxSkippedShown)));
    finish(receipt, end);
    say(std::string(proto::to_word(end.outcome)) + (end.reason.empty() ? "" : ": " + end.reason),
        end.status != 0);
    if (!cost_.empty()) worker_.log.line(label() + ": " + cost_);
    tidy(*store);
    return end.status;
  }

  // A cut that left less to do than before: worth going on at once.
  [[nodiscard]] bool may_go_on(const Error& error) {
    if (error.kind() != Kind::Transient || !progressed_ || StopSignal::came() || at_once_ == 0) return false;
    --at_once_;
    say(std::string("cut: ") + error.what() + "; going on at once", false);
    return true;
  }

  void set_ended(EndedAs as) { ended_as_ = as; }

  int fail(const Error& error) {
    if (error.kind() == Kind::Cancelled && (ended_as_ == EndedAs::TurnOver || StopSignal::of_turn()))
      return give_way(error);
    const bool stopped = error.kind() == Kind::Cancelled && StopSignal::of_server();
    const bool time_up =
        error.kind() == Kind::Cancelled && (ended_as_ == EndedAs::TimeUp || spent() >= limits().pull_timeout);
    const Attempt attempt = progressed_          ? Attempt::GotFurther
                            : stopped || time_up ? Attempt::Ended
                                                 : Attempt::Counts;
    Verdict verdict = judge_failure(item_, error, limits(), worker_.clock.now(), attempt);
    if (stopped) verdict.notice = false;
    if (stopped && verdict.item.not_before) verdict.item.not_before = worker_.clock.now();  // the next run's
    std::string text = verdict.end ? std::string(proto::to_word(verdict.end->outcome)) + ": " : "";
    text += verdict.end ? verdict.end->reason : verdict.item.last_error;
    if (verdict.end) {
      item_ = verdict.item;
      finish(receipt_of(*verdict.end), *verdict.end);
    } else {
      todo_.put_back(client_, stem_, verdict.item);
      text += "; next try " + to_text(*verdict.item.not_before);
    }
    if (verdict.notice) worker_.log.notice(label() + ": " + text);
    say(text, true);
    return verdict.status;
  }

 private:
  // It did what it was asked to: nothing that people must hear of.  Of a file that no checkpoint names yet,
  // because it is short, the next turn needs only what did not come in this one.
  int give_way(const Error& error) {
    const TodoItem item = after_its_turn(item_, error.what(), progressed_ || stored_, worker_.clock.now());
    todo_.put_back(client_, stem_, item);
    say(item.last_error, false);
    return kExitDone;
  }
  // Nobody waits for it, and what it leaves undone costs nothing but time.
  void tidy(store::Store& store) const {
    try {
      store.tidy();
    } catch (const Error& error) {
      say(std::string("merging the index: ") + error.what(), false);
    }
  }
  [[nodiscard]] std::string label() const {
    return client_ + " " + item_.request.module + " " + quoted(item_.request.name);
  }
  void say(const std::string& text, bool aloud) const {
    worker_.log.line(label() + ": " + text);
    if (aloud) worker_.say(label() + ": " + text);
  }
  // A snapshot that answers all ids was made by a run that was killed before it could say so.
  [[nodiscard]] bool answers(const store::SnapshotRecord& record) const {
    return std::all_of(item_.ids.begin(), item_.ids.end(), [&](const std::string& id) {
      return std::find(record.requests.begin(), record.requests.end(), id) != record.requests.end();
    });
  }
  [[nodiscard]] ClientRules rules() const {
    const BacklineConf conf = load_backline_conf(worker_.config.home);
    const ClientRules* rules = conf.find(client_);
    if (rules == nullptr || rules->address.empty() || rules->host_key.empty())
      throw Error(Kind::Config, "backline.conf has no address and hostkey for [client " + client_ +
                                    "]: an administrator must add them in gitosis-admin.git");
    return *rules;
  }
  [[nodiscard]] ssh::Endpoint endpoint(const ClientRules& rules) const {
    ssh::Endpoint out;
    out.address = ssh::parse_address(rules.address);
    out.host_key = rules.host_key;
    out.identity_file = worker_.config.identity;
    out.mark_file = ssh::host_key_mark_file(worker_.config.home, client_);
    out.idle_timeout = worker_.config.limits.idle_timeout;
    out.bandwidth = {rules.bandwidth, worker_.config.home + "/tmp/bandwidth/" + client_};
    return out;
  }
  [[nodiscard]] store::SnapshotRecord snapshot(store::Store& store) {
    const proto::Request& request = item_.request;
    std::optional<store::SnapshotRecord> previous =
        store.newest(client_, request.module, request.method, request.name);
    if (previous && answers(*previous)) return *previous;
    const ClientRules rules = this->rules();
    const pull::Driver driver = pull::find_driver(request.method, rules.agent, worker_.config.home);
    const Timestamp began = worker_.clock.now();
    const std::unique_ptr<store::Writer> writer =
        store.writer(client_, request.module, request.method, request.name);
    // Once more: only what was there when the writer had registered cannot be cleaned away while it works.
    previous = store.newest(client_, request.module, request.method, request.name);
    pull::Surroundings around{
        worker_.config.home, worker_.programs, endpoint(rules), store, *writer, std::move(previous), began,
        time_left(),         worker_.alive,    rules.agent};
    if (rules.quota > 0) {
      writer->set_quota(rules.quota);
      around.quota_left = rules.quota - std::min(rules.quota, writer->quota().used);
    }
    progressed_ = false;
    around.poll = [] { StopSignal::check(); };
    around.begun = store.checkpoint(client_, request.module, request.method, request.name);
    around.checkpoint_every = worker_.config.limits.checkpoint;
    around.checkpoint_bytes = checkpoint_bytes();
    around.rules = rules.leave_out;
    around.stripes = worker_.config.limits.stripes;
    pull::Pulled pulled = past_damage(driver, around);
    crash_point("backup.pulled");
    const store::SnapshotRecord record = writer->commit(record_of(pulled, began));
    crash_point("backup.committed");
    warn_of_quota(writer->quota());
    if (pulled.committed) pulled.committed(record.id);
    return record;
  }
  // What of the last snapshot cannot be read is only met on the way: once more then, believing nothing of it.
  pull::Pulled past_damage(pull::Driver driver, pull::Surroundings& around) {
    const std::string previous = around.previous ? around.previous->id : "";
    try {
      return within_quota(driver, around);
    } catch (const Error& error) {
      if (error.kind() != Kind::Corrupt || previous.empty() || around.store.suffers(previous)) throw;
      worker_.log.notice(label() + ": " + error.what() + "; everything is looked at again");
      around.store.note_suffering({previous});
    }
    return within_quota(driver, around);
  }
  // What a refused pull has stored is no root: a clean may have it.
  pull::Pulled within_quota(pull::Driver driver, pull::Surroundings& around) {
    try {
      return with_progress(driver, around);
    } catch (const Error&) {
      if (around.writer.quota().exceeded) around.writer.forget_checkpoint();
      throw;
    }
  }
  // Once, by the backup that comes near it.
  void warn_of_quota(const store::Writer::Quota& quota) const {
    const std::uint64_t near = quota.bytes - quota.bytes / 10;
    if (quota.bytes == 0 || quota.used < near || quota.used_before >= near) return;
    worker_.log.notice(client_ + " has used " + show_binary_bytes(quota.used) + " of its quota of " +
                       show_binary_bytes(quota.bytes) + " (backline.conf): beyond it backups are refused");
  }
  pull::Pulled with_progress(pull::Driver driver, pull::Surroundings& around) {
    const std::string file = progress_file(worker_.config.home, client_, stem_);
    ensure_directory(parent_of(file));
    ProgressTeller teller(worker_.progress_fd, file, around.previous);
    around.progress = [&](const pull::PullProgress& done) {
      if (teller.tell(done)) worker_.log.line(label() + ": so far " + show_progress(teller.now()));
    };
    pull::Pulled pulled = run(driver, around);
    cost_ = show_cost(pulled.files, pulled.directories, pulled.done, around.writer.totals().stored_bytes,
                      teller.elapsed());
    return pulled;
  }
  // git keeps nothing of an unfinished fetch, nor do the administrator's own methods: they may as well be
  // ended at once.
  [[nodiscard]] pull::Pulled run(pull::Driver driver, pull::Surroundings& around) {
    std::optional<StopSignal> stop;
    if (item_.request.method == "rsync" || item_.request.method == "sftp") stop.emplace();
    try {
      return driver({client_, item_.request}, around);
    } catch (const Error&) {
      progressed_ = around.progressed;
      stored_ = around.writer.totals().stored_bytes > 0;
      throw;
    }
  }
  [[nodiscard]] const Limits& limits() const { return worker_.config.limits; }
  [[nodiscard]] std::chrono::milliseconds spent() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun_);
  }
  // Several tries share the time of one.
  [[nodiscard]] std::chrono::milliseconds time_left() const {
    return std::max(limits().pull_timeout - spent(), std::chrono::milliseconds(1000));
  }
  [[nodiscard]] store::SnapshotRecord record_of(pull::Pulled& pulled, Timestamp began) const {
    store::SnapshotRecord record;
    record.client = client_;
    record.module = item_.request.module;
    record.method = item_.request.method;
    record.name = item_.request.name;
    record.began = began;
    record.ended = worker_.clock.now();
    record.by = item_.by;
    record.requests = item_.ids;
    record.archive_sha256 = pulled.archive_sha256;
    record.root = std::move(pulled.root);
    record.files = pulled.files;
    record.directories = pulled.directories;
    record.others = pulled.others;
    record.bytes = pulled.bytes;
    Skips skips = all_skips(item_.request, {pulled.skipped_count, std::move(pulled.skipped)});
    record.skipped = std::move(skips.shown);
    record.skipped_count = skips.count;
    return record;
  }
  // The receipt of every id, then F (I2).
  void finish(proto::Receipt receipt, const Finished& end) {
    std::vector<proto::Receipt> receipts;
    for (const std::string& id : item_.ids) {
      receipt.id = id;
      receipts.push_back(receipt);
    }
    const std::string repository = worker_.config.home + "/repositories/" + client_ + ".git";
    if (item_.by != kAskedByServer || path_exists(repository)) ReceiptBook(repository).put(receipts);
    crash_point("backup.receipted");
    todo_.finish(client_, stem_, item_, end);
    crash_point("backup.finished");
  }

  const Worker& worker_;
  std::string client_, stem_;
  TodoItem item_;
  std::string cost_;  // of the pull that this run made
  TodoList todo_;
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  bool progressed_ = false;  // by the last try
  bool stored_ = false;      // … at least chunks, which the next one finds until a clean
  EndedAs ended_as_ = EndedAs::Failed;
  int at_once_ = 2;  // cuts that may be followed by another try at once
};

TodoItem claimed_item(const Worker& worker, const std::string& client, const std::string& stem) {
  const TodoList todo(worker.config.home + "/TODO");
  std::optional<TodoItem> item = todo.working(client, stem);
  if (!item) throw Error(Kind::NotFound, "TODO/" + client + " holds no P" + stem);
  return *std::move(item);
}

}  // namespace

int work_off(const Worker& worker, const std::string& client, const std::string& stem) {
  Work work(worker, client, stem, claimed_item(worker, client, stem));
  for (;;) {
    try {
      return work.succeed();
    } catch (const Error& error) {
      if (!work.may_go_on(error)) return work.fail(error);
    } catch (const std::exception& error) {  // out of memory, a library's own
      return work.fail(Error(Kind::Transient, error.what()));
    }
  }
}

int give_up(const Worker& worker, const std::string& client, const std::string& stem, const std::string& why,
            EndedAs as) {
  Work work(worker, client, stem, claimed_item(worker, client, stem));
  work.set_ended(as);
  return work.fail(Error(as == EndedAs::Failed ? Kind::Transient : Kind::Cancelled, why));
}

}  // namespace bk::server
