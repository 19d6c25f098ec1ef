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
#include "server/backup/progress.h"
#include "server/backup/verdict.h"
#include "server/todo/pause.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <list>

namespace bk::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr std::size_t kDefaultOfClient = 2;  // [client NAME] concurrency says otherwise
constexpr seconds kSettleLimit{120};         // writing down a failure: local work only
constexpr seconds kSweepLimit{1800};
constexpr seconds kIngestPatience{5};       // of pulls
constexpr seconds kIngestEvery{300};        // hooks ingest at once, when they run
constexpr seconds kGrace{10};               // a worker knows its limits itself; then it is asked to end
constexpr seconds kSettle{20};              // for a worker to note what it has, once asked
constexpr std::size_t kLongestLine = 4096;  // of what a worker says

struct Running {
  TodoList::Named item;
  Child child;
  Fd signs;  // the worker's standard output
  steady_clock::time_point started, alive;
  std::string half_line;  // of what it says, not yet whole
  std::optional<Progress> progress;
  std::string asked_why;  // not empty: it was told at `asked` to end: its time was up
  bool paused = false;    // … or this
  bool time_up = false;   // it was limits.pull_timeout
  steady_clock::time_point asked{};
};

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
              return start(worker_command({"--ingest", client}));
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
      if (is_idle() && !options_.watch) break;
      sleep_and_look();
    }
    stop_workers();
    return options_.watch ? kExitDone : worst_;
  }

 private:
  [[nodiscard]] bool is_idle() const { return running_.empty() && helpers_.empty() && ingests_.idle(); }
  void note(int status) { worst_ = worse_status(worst_, status); }

  // What a worker said: signs of life, and how far it is.
  static void hear(Running& r, const std::string& said) {
    r.half_line += said;
    for (std::size_t end = 0; (end = r.half_line.find('\n')) != std::string::npos;) {
      if (auto progress = parse_progress(std::string_view(r.half_line).substr(0, end)))
        r.progress = std::move(progress);
      r.half_line.erase(0, end + 1);
    }
    if (r.half_line.size() > kLongestLine) r.half_line.clear();
  }

  void draw(steady_clock::time_point now) {
    if (!screen_.on() || now - drawn_ < milliseconds(500)) return;
    drawn_ = now;
    std::vector<std::string> lines;
    for (const Running& r : running_) {
      const std::string what =
          r.item.client + " " + r.item.item.request.module + " " + quoted(r.item.item.request.name) + ": ";
      lines.push_back(what + (r.progress ? show_progress(*r.progress) : "begins"));
    }
    screen_.show(lines);
  }

  // A line for people stands above those of running pulls.
  void say(const std::string& text) {
    screen_.show({});
    options_.say(text);
  }

  Command worker_command(std::vector<std::string> words) const {
    Command command;
    command.argv = {options_.programs + "/bk_pull", "--home", config_.home};
    command.argv.insert(command.argv.end(), words.begin(), words.end());
    command.environment = base_environment(config_.home);
    command.stderr_fd = STDERR_FILENO;
    // No worker outlives us: the next do_backup would start the same pull beside it.
    command.before_exec = [parent = ::getpid()] {
      return ::prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || ::getppid() != parent ? 1 : 0;
    };
    return command;
  }

  // Its status counts.
  void begin_helper(std::vector<std::string> words, seconds limit, const std::string& what, Busy of = {}) {
    helpers_.push_back(
        {what, std::move(of), start(worker_command(std::move(words))), steady_clock::now() + limit});
  }
  void look_after_helpers(steady_clock::time_point now) {
    std::erase_if(helpers_, [&](Helper& helper) {
      const std::optional<int> status = helper.child.wait_for(milliseconds(0));
      if (!status && now < helper.until) return false;
      if (!status) helper.child.stop(milliseconds(0));
      crash_with_child(status.value_or(0));
      note(status.value_or(kExitTryLater));
      if (!status || *status > 128) complain(helper.what + (status ? " was killed" : " did not end in time"));
      stale_ = true;
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
    stale_ = false;
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
    for (const Running& r : running_) out.insert({r.item.client, r.item.stem});
    for (const Helper& helper : helpers_)
      if (!helper.of.client.empty()) out.insert(helper.of);
    return out;
  }

  void start_what_is_due() {
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
    auto [read_end, write_end] = signs_pipe();
    Command command = worker_command({"--", item.client, item.stem});
    command.stdout_fd = write_end.get();
    const auto now = steady_clock::now();
    running_.push_back({item, start(command), std::move(read_end), now, now, {}, {}, {}, {}});
  }

  static std::pair<Fd, Fd> signs_pipe() {
    std::array<int, 2> ends{};
    check_sys(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), [] { return "making a pipe"; });
    return {Fd(ends[0]), Fd(ends[1])};
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
        hear(*it, (sign++)->said);
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
    const bool late = !status && !r.asked_why.empty() && now - r.asked > kSettle;
    if (!status && !late) return false;
    if (late) r.child.stop(milliseconds(0));
    std::string why = late || (status && *status > 128) ? r.asked_why : "";
    if (status && *status > 128 && why.empty())
      why = "the worker was killed by signal " + std::to_string(*status - 128);
    if (status) crash_with_child(*status);
    if (r.paused && (late || *status > 128)) {
      note(kExitTryLater);  // its P file is resumed when the pause ends
    } else if (why.empty()) {
      note(*status);
    } else if (todo_.working(r.item.client, r.item.stem)) {
      std::vector<std::string> words{"--failed", why, "--", r.item.client, r.item.stem};
      if (r.time_up && why == r.asked_why) words.insert(words.begin(), "--time-up");
      begin_helper(std::move(words), kSettleLimit, "ending a pull of " + r.item.client,
                   {r.item.client, r.item.stem});
    }
    stale_ = true;
    return true;
  }

  void ask_to_end(Running& r, steady_clock::time_point now) {
    if (!r.asked_why.empty()) return;
    if (is_paused(r.item.client)) {
      r.asked_why = "paused by an administrator";
      r.paused = true;
    } else if (now - r.started > config_.limits.pull_timeout + kGrace) {
      r.asked_why = "the pull lasted longer than limits.pull_timeout";
      r.time_up = true;
    } else if (now - r.alive > config_.limits.idle_timeout + kGrace) {
      r.asked_why = "the pull made no progress for limits.idle_timeout";
    } else {
      return;
    }
    r.asked = now;
    (void)::kill(r.child.pid(), r.paused ? SIGTERM : SIGUSR1);
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
  steady_clock::time_point last_ingest_, scanned_, pauses_read_, tried_since_ = steady_clock::now();
  bool stopping_ = false;
  bool stale_ = false;  // items_ are not what the disk holds any more
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
