#include "server/backup/supervisor.h"

#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/io/temporary.h"
#include "common/process/process.h"
#include "common/text/escape.h"
#include "common/text/screen.h"
#include "server/access/client_rules.h"
#include "server/backup/agentless.h"
#include "server/backup/events.h"
#include "server/backup/ingest_pool.h"
#include "server/backup/not_taken.h"
#include "server/backup/running.h"
#include "server/backup/turns.h"
#include "server/backup/verdict.h"
#include "server/todo/pause.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <list>

namespace bk::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr std::size_t kDefaultOfClient = 2;  // [client NAME] concurrency says otherwise
constexpr seconds kSettleLimit{120};         // writing down a failure: local work only
constexpr seconds kSweepLimit{1800};
constexpr seconds kIngestPatience{5};  // of pulls
constexpr seconds kIngestEvery{300};   // hooks ingest at once, when they run
constexpr seconds kGrace{10};          // a worker knows its limits itself; then it is asked to end
constexpr seconds kSettle{20};         // for workers to note what they have, when we end ourselves
// How often we look whether a turn is over.
constexpr milliseconds kLeastLook{500}, kMostLook{10000};

// What works only on our own disk, and may hang there.
struct Helper {
  std::string what;
  Busy of;  // the pull that it ends, if any
  Child child;
  steady_clock::time_point until;
};

class Supervisor {
 public:
  Supervisor(const ServerConfig& config, const RunOptions& options, const Clock& clock, const Log& log)
      : config_(config),
        options_(options),
        clock_(clock),
        log_(log),
        todo_(config.home + "/TODO"),
        ingests_(
            [this](const std::string& client) {
              return start_worker({"--ingest", client});
            },
            {.longest = config.limits.ingest_timeout}) {}

  int run() {
    sweep();
    ingest();
    for (const std::string& client : todo_.clients())
      or_complain("TODO/" + client, [&] { todo_.recover(client); });
    or_complain("TODO", [&] { todo_.expire(clock_.now().plus(-config_.keep_finished)); });
    rescan();
    tell_pauses();
    ask();
    while (!stopping_) {
      start_what_is_due();
      end_a_turn();
      if (is_idle() && !options_.watch) break;
      sleep_and_look();
    }
    stop_workers();
    return options_.watch ? kExitDone : worst_;
  }

 private:
  [[nodiscard]] bool is_idle() const { return running_.empty() && helpers_.empty() && ingests_.idle(); }
  void note(int status) { worst_ = worse_status(worst_, status); }

  void draw(steady_clock::time_point now) {
    if (!screen_.on() || now - drawn_ < milliseconds(500)) return;
    drawn_ = now;
    std::vector<std::string> lines;
    for (const Running& r : running_) lines.push_back(describe(r));
    screen_.show(lines);
  }

  // A line for people stands above those of running pulls.
  void say(const std::string& text) {
    screen_.show({});
    options_.say(text);
  }

  [[nodiscard]] Child start_worker(const std::vector<std::string>& words) const {
    return start(worker_command(options_.programs, config_.home, words));
  }

  // Its status counts.
  void begin_helper(const std::vector<std::string>& words, seconds limit, const std::string& what,
                    Busy of = {}) {
    helpers_.push_back({what, std::move(of), start_worker(words), steady_clock::now() + limit});
  }
  void look_after_helpers(steady_clock::time_point now) {
    std::erase_if(helpers_, [&](Helper& helper) {
      const std::optional<int> status = helper.child.wait_for(milliseconds(0));
      if (!status && now < helper.until) return false;
      if (!status) helper.child.stop(milliseconds(0));
      crash_with_child(status.value_or(0));
      note(status.value_or(kExitTryLater));
      if (!status || *status > 128) complain(helper.what + (status ? " was killed" : " did not end in time"));
      outdated_ = true;
      return true;
    });
  }

  void complain(const std::string& text) {
    log_.notice(text);
    say(text);
    note(kExitTryLater);
  }

  // What killed processes left half written; the store, its index and the control repositories look after
  // themselves.
  void sweep() {
    remove_tree(config_.home + "/tmp/progress");  // of workers that were killed: none is at work now
    std::vector<std::string> folders{config_.home + "/TODO", config_.home + "/tmp/archives"};
    for (const std::string& client : todo_.clients()) folders.push_back(config_.home + "/TODO/" + client);
    for (const std::string& folder : folders) (void)remove_abandoned_in(folder);
    if (path_exists(config_.home + "/tmp/pulled"))
      begin_helper({"--sweep"}, kSweepLimit, "removing what killed pulls left");
  }

  // What cannot be put right for one client must not hold up the others.
  template <class Body>
  void or_complain(const std::string& where, Body&& body) {
    try {
      body();
    } catch (const Error& error) {
      complain(where + ": " + error.what());
    }
  }

  void ingest() {
    last_ingest_ = steady_clock::now();
    or_complain("repositories", [&] {
      ingests_.add(clients_with_news(config_.home, todo_.with_set_aside(), options_.selection.client));
    });
    while (!stopping_) {
      look_after_ingests();
      const auto left =
          std::chrono::duration_cast<milliseconds>(last_ingest_ + kIngestPatience - steady_clock::now());
      if (ingests_.idle() || left.count() <= 0) return;
      const Events::Woken woken = events_.wait({}, std::min(left, milliseconds(200)));
      stopping_ = woken.stop;
      stale_ = stale_ || woken.requests;
    }
  }

  void look_after_ingests() {
    or_complain("repositories", [&] {
      for (const IngestPool::Ended& end : ingests_.look()) {
        stale_ = true;
        crash_with_child(end.status);
        if (!end.late && end.status <= 128) {
          note(end.status);
          continue;
        }
        const std::string why =
            end.late ? "taking them took longer than limits.ingest_timeout and was stopped"
                     : "the process that takes them was killed by signal " + std::to_string(end.status - 128);
        say(note_not_taken(config_.home, end.client, why, clock_.now(), log_));
        note(kExitTryLater);
      }
    });
  }

  // On behalf of clients that ask for nothing.
  void ask() {
    or_complain("clients without an agent", [&] {
      if (ask_for_agentless(rules_, items_, todo_, options_.selection, clock_.now())) rescan();
    });
  }

  void rescan() {
    std::vector<std::string> problems;
    items_ = todo_.pending(problems);
    for (const std::string& problem : problems) {
      log_.notice(problem);
      say(problem);
      note(kExitCorrupt);
    }
    read_rules();
    read_pauses();
    or_complain("TODO", [&] { events_.watch_folders(config_.home + "/TODO"); });
    stale_ = outdated_ = false;
    scanned_ = steady_clock::now();
    if (todo_.take_note_of_set_aside()) ingests_.add(todo_.with_set_aside());  // whoever asked is told
  }

  void read_rules() {
    try {
      rules_ = load_backline_conf(config_.home);
    } catch (const Error& error) {
      complain(error.what());  // every pull will say so, too
    }
  }

  void read_pauses() {
    or_complain("pauses", [&] {
      all_paused_ = pauses_.since().has_value();
      paused_.clear();
      for (const std::string& client : todo_.clients()) {
        if (pauses_.since(client)) paused_.insert(client);
      }
      pauses_read_ = steady_clock::now();
    });
  }
  [[nodiscard]] bool is_paused(const std::string& client) const {
    return all_paused_ || paused_.contains(client);
  }

  // Who calls by hand shall not wonder why nothing happens.
  void tell_pauses() {
    if (!screen_.on() && options_.selection.client.empty()) return;
    if (all_paused_) say("everything is paused; do_backup --resume ends it");
    for (const std::string& client : paused_) {
      if (options_.selection.client.empty() || options_.selection.client == client)
        say(client + " is paused; do_backup --resume " + client + " ends it");
    }
    if (!options_.selection.client.empty() && is_paused(options_.selection.client)) note(kExitTryLater);
  }

  [[nodiscard]] Slots slots() const {
    return {config_.limits.concurrency,
            [this](const std::string& client) -> std::size_t {
              if (is_paused(client)) return 0;
              const ClientRules* rules = rules_.find(client);
              return rules != nullptr && rules->concurrency ? static_cast<std::size_t>(*rules->concurrency)
                                                            : kDefaultOfClient;
            },
            options_.is_new};
  }
  [[nodiscard]] std::set<Busy> busy() const {
    std::set<Busy> out;
    for (const Running& r : running_) out.insert(r.busy());
    for (const Helper& helper : helpers_)
      if (!helper.of.client.empty()) out.insert(helper.of);
    return out;
  }

  void start_what_is_due() {
    if (outdated_) rescan();
    for (;;) {
      while (const auto next = choose_next(items_, busy(), tried_, slots(), options_.selection, clock_.now()))
        begin(items_[*next]);
      // What was put back, or came, since the last look.  Looking costs a walk over the list: not too often.
      const bool idle = is_idle();
      const auto now = steady_clock::now();
      if (!stale_ || (!idle && now - scanned_ < seconds(1)) || running_.size() >= config_.limits.concurrency)
        return;
      rescan();
    }
  }

  void begin(TodoList::Named& item) {
    tried_.insert(try_key(item));
    if (item.state == 'C' && !todo_.claim(item.client, item.stem)) {
      stale_ = true;
      return;
    }
    item.state = 'P';
    running_.push_back(start_pull(options_.programs, config_.home, item));
  }

  [[nodiscard]] milliseconds how_long() const {
    milliseconds limit = is_idle() ? milliseconds(60000) : milliseconds(1000);
    if (options_.watch && is_idle() && !all_paused_) {
      const Timestamp now = clock_.now();
      if (const std::optional<Timestamp> due = next_due(items_, options_.selection, now, paused_))
        limit = std::clamp(milliseconds((due->seconds - now.seconds) * 1000), milliseconds(500), limit);
    }
    return limit;
  }

  void sleep_and_look() {
    std::vector<int> signs;
    for (const Running& r : running_) signs.push_back(r.signs.get());
    const Events::Woken woken = events_.wait(signs, how_long());
    stopping_ = woken.stop;
    const auto now = steady_clock::now();
    auto it = running_.begin();
    auto sign = woken.alive.begin();
    for (std::size_t i = 0; it != running_.end(); ++i) {
      if (sign != woken.alive.end() && sign->worker == i) {
        it->alive = now;
        it->hear((sign++)->said);
      }
      it = look_after(*it, now) ? running_.erase(it) : std::next(it);
    }
    look_after_ingests();
    look_after_helpers(now);
    draw(now);
    if (!running_.empty() && now - pauses_read_ >= seconds(1)) read_pauses();
    if (woken.requests) stale_ = true;
    const bool lasts = options_.selection.client.empty() && now - last_ingest_ >= kIngestEvery;
    if (options_.watch || lasts) keep_watching(now);
  }

  void keep_watching(steady_clock::time_point now) {
    if (now - last_ingest_ >= kIngestEvery) {
      ingest();
      ask();
    }
    // An item that could not even be put back is tried again after a while, not at once.
    if (now - tried_since_ >= seconds(60)) {
      tried_.clear();
      tried_since_ = now;
      stale_ = true;
    } else {
      std::set<std::string> waiting;  // what was put back may be tried when it is due
      for (const TodoList::Named& item : items_) {
        if (item.state == 'C') waiting.insert(try_key(item));
      }
      std::erase_if(tried_, [&](const std::string& key) { return waiting.contains(key); });
    }
  }

  // True when the worker is gone.
  bool look_after(Running& r, steady_clock::time_point now) {
    std::optional<int> status = r.child.wait_for(milliseconds(0));
    if (!status) ask_to_end(r, now);
    const bool late = !status && r.is_late(now);
    if (!status && !late) return false;
    if (late) r.child.stop(milliseconds(0));
    std::string why = late || (status && *status > 128) ? r.asked_why : "";
    if (status && *status > 128 && why.empty())
      why = "the worker was killed by signal " + std::to_string(*status - 128);
    if (status) crash_with_child(*status);
    if (r.asked == Asked::Pause && (late || *status > 128)) {
      note(kExitTryLater);  // its P file is resumed when the pause ends
    } else if (why.empty()) {
      note(*status);
    } else if (todo_.working(r.item.client, r.item.stem)) {
      std::vector<std::string> words{"--failed", why, "--", r.item.client, r.item.stem};
      if (why == r.asked_why && r.asked == Asked::TimeUp) words.insert(words.begin(), "--time-up");
      if (why == r.asked_why && r.asked == Asked::TurnOver) words.insert(words.begin(), "--turn-over");
      begin_helper(words, kSettleLimit, "ending a pull of " + r.item.client, r.busy());
    }
    if (r.asked == Asked::TurnOver) {
      tried_.erase(try_key(r.item));  // it goes on in this run
      outdated_ = true;
    }
    stale_ = true;
    return true;
  }

  void ask_to_end(Running& r, steady_clock::time_point now) {
    if (r.asked != Asked::No) return;
    if (is_paused(r.item.client)) {
      r.ask_to_end(Asked::Pause, now);
    } else if (now - r.started > config_.limits.pull_timeout + kGrace) {
      r.ask_to_end(Asked::TimeUp, now);
    } else if (now - r.alive > config_.limits.idle_timeout + kGrace) {
      r.ask_to_end(Asked::Silence, now);
    }
  }

  // One at a time: what waits begins in its slot before another one is asked.
  void end_a_turn() {
    const auto now = steady_clock::now();
    const milliseconds shortest = shortest_turn(config_.limits);
    if (now - turns_seen_ < std::clamp(shortest / 8, kLeastLook, kMostLook)) return;
    turns_seen_ = now;
    std::vector<Holder> holders;
    for (const Running& r : running_) {
      if (r.asked != Asked::No) return;
      const auto held = std::chrono::duration_cast<milliseconds>(now - r.started);
      if (held >= shortest) holders.push_back({r.busy(), held});
    }
    if (holders.empty()) return;
    if (stale_) rescan();
    const std::optional<Busy> who = choose_to_give_way(items_, std::move(holders), busy(), tried_, slots(),
                                                       options_.selection, config_.limits, clock_.now());
    for (Running& r : running_)
      if (who && r.busy() == *who) r.ask_to_end(Asked::TurnOver, now);
  }

  void stop_workers() {
    if (is_idle()) return;
    ingests_.stop();
    for (Running& r : running_) (void)::kill(r.child.pid(), SIGTERM);
    const auto end = steady_clock::now() + kSettle;
    const auto left = [end] {
      return std::max(std::chrono::duration_cast<milliseconds>(end - steady_clock::now()), milliseconds(0));
    };
    for (Running& r : running_) {
      if (const std::optional<int> status = r.child.wait_for(left())) note(*status);
      r.child.stop(milliseconds(0));  // its P file is resumed by the next run
    }
    for (Helper& helper : helpers_) (void)helper.child.wait_for(left());
    look_after_helpers(end);
    note(kExitTryLater);
  }

  const ServerConfig& config_;
  const RunOptions& options_;
  const Clock& clock_;
  const Log& log_;
  TodoList todo_;
  Events events_;
  BacklineConf rules_;
  Pauses pauses_{config_.home + "/TODO"};
  bool all_paused_ = false;
  std::set<std::string> paused_;
  std::vector<TodoList::Named> items_;
  std::list<Running> running_;
  std::list<Helper> helpers_;
  IngestPool ingests_;
  Screen screen_{STDERR_FILENO};
  steady_clock::time_point drawn_{};
  std::set<std::string> tried_;
  steady_clock::time_point last_ingest_, scanned_, pauses_read_, tried_since_ = steady_clock::now(),
                                                                 turns_seen_{};
  bool stopping_ = false;
  bool stale_ = false;     // items_ are not what the disk holds any more
  bool outdated_ = false;  // … and say of something that it is at work
  int worst_ = kExitDone;
};

}  // namespace

std::optional<FileLock> try_run_lock(const std::string& home) {
  ensure_directory(home + "/TODO");
  return FileLock::try_exclusive(home + "/TODO/.lock");
}

int run_backups(const ServerConfig& config, const RunOptions& options, const Clock& clock, const Log& log) {
  return Supervisor(config, options, clock, log).run();
}

}  // namespace bk::server
