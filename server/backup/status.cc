#include "server/backup/status.h"

#include "common/text/amount.h"
#include "common/text/escape.h"
#include "common/text/json_path.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

namespace bk::server {
namespace {

using Key = std::tuple<std::string, std::string, std::string, std::string>;

std::string second_text(Timestamp time) { return to_text({time.seconds, 0}).substr(0, 19) + "Z"; }

std::string state_of(const TodoList::Named& item, Timestamp now) {
  if (item.state == 'P') return "working";
  return item.item.not_before && *item.item.not_before > now ? "waiting" : "queued";
}

nlohmann::json json_of(const Progress& p) {
  nlohmann::json out;
  out["files_read"] = p.done.files;
  out["directories"] = p.done.directories;
  out["bytes"] = p.done.bytes;
  out["received_bytes"] = p.done.received_bytes;
  out["stored_bytes"] = p.done.stored_bytes;
  out["seconds"] = p.seconds;
  out["bytes_per_second"] = p.rate;
  const auto left = estimate(p);
  out["seconds_left"] = left ? nlohmann::json(*left) : nlohmann::json();
  return out;
}

nlohmann::json json_of(std::optional<Timestamp> time) {
  return time ? nlohmann::json(to_text(*time)) : nlohmann::json();
}

nlohmann::json json_of(const SourceStatus& s, Timestamp now) {
  nlohmann::json out;
  out["client"] = s.client;
  out["module"] = s.module;
  out["method"] = s.method;
  add_path(out, s.name);
  out["snapshots"] = s.snapshots;
  out["state"] = s.state;
  out["attempts"] = s.attempts;
  out["gave_way"] = s.turns;
  out["last_success"] = json_of(s.last_success);
  out["age_seconds"] =
      s.last_success ? nlohmann::json(now.seconds - s.last_success->seconds) : nlohmann::json();
  out["period_seconds"] = s.period ? nlohmann::json(s.period->count()) : nlohmann::json();
  out["period_learned"] = s.learned;
  out["next"] = json_of(s.next);
  out["overdue"] = s.overdue;
  out["paused"] = json_of(s.paused);
  out["quota_bytes"] = s.quota > 0 ? nlohmann::json(s.quota) : nlohmann::json();
  out["quota_used_bytes"] = s.quota_used ? nlohmann::json(*s.quota_used) : nlohmann::json();
  out["files"] = s.files;
  out["bytes"] = s.bytes;
  out["skipped"] = s.skipped;
  out["next_try"] = json_of(s.next_try);
  out["last_error"] = percent_encode(s.last_error);
  out["progress"] = s.progress ? json_of(*s.progress) : nlohmann::json();
  return out;
}

// What the newest snapshots say of a source's rhythm.
std::optional<std::chrono::seconds> learn_period(std::vector<Timestamp> began) {
  std::sort(began.rbegin(), began.rend());
  began.resize(std::min<std::size_t>(began.size(), 9));
  if (began.size() < 4) return std::nullopt;
  std::vector<std::int64_t> gaps;
  for (std::size_t i = 1; i < began.size(); ++i) gaps.push_back(began[i - 1].seconds - began[i].seconds);
  const auto middle = gaps.begin() + static_cast<std::ptrdiff_t>(gaps.size() / 2);
  std::nth_element(gaps.begin(), middle, gaps.end());
  return std::chrono::seconds(std::max<std::int64_t>(*middle, 60));
}

class Collector {
 public:
  Collector(const StatusFacts& facts, Timestamp now) : facts_(facts), now_(now) {}

  std::vector<SourceStatus> run() {
    for (const CatalogSnapshot& row : facts_.snapshots) add(row);
    for (const TodoList::Named& item : facts_.finished) add_finished(item);
    for (const TodoList::Named& item : facts_.pending) add_pending(item);
    std::vector<SourceStatus> out;
    for (auto& [key, seen] : sources_) {
      judge(seen);
      out.push_back(std::move(seen.status));
    }
    return out;
  }

 private:
  struct Seen {
    SourceStatus status;
    std::vector<Timestamp> began;
    std::optional<Timestamp> asked;  // the request that still waits
  };

  Seen& at(const std::string& client, const std::string& name, const std::string& module,
           const std::string& method) {
    Seen& seen = sources_[{client, name, module, method}];
    SourceStatus& s = seen.status;
    if (!s.state.empty()) return seen;
    s.client = client;
    s.name = name;
    s.module = module;
    s.method = method;
    s.state = "idle";
    return seen;
  }

  void add(const CatalogSnapshot& row) {
    Seen& seen = at(row.client, row.name, row.module, row.method);
    SourceStatus& s = seen.status;
    seen.began.push_back(row.began);
    ++s.snapshots;
    if (s.last_success && *s.last_success > row.began) return;
    s.last_success = row.began;
    s.files = row.files;
    s.bytes = row.bytes;
    s.skipped = row.skipped;
  }

  // Only what went wrong counts: a success is a snapshot, or was removed.
  void add_finished(const TodoList::Named& item) {
    const std::optional<Finished>& end = item.item.finished;
    if (!end || end->outcome == proto::Outcome::Ok || end->outcome == proto::Outcome::Partial) return;
    const proto::Request& r = item.item.request;
    SourceStatus& s = at(item.client, r.name, r.module, r.method).status;
    if (s.last_success && *s.last_success > end->time) return;
    s.state = proto::to_word(end->outcome);
    s.last_error = end->reason;
  }

  void add_pending(const TodoList::Named& item) {
    const proto::Request& r = item.item.request;
    Seen& seen = at(item.client, r.name, r.module, r.method);
    SourceStatus& s = seen.status;
    if (!seen.asked || item.item.taken < *seen.asked) seen.asked = item.item.taken;
    if (s.state == "working") return;
    s.state = state_of(item, now_);
    if (s.state == "working") s.stem = item.stem;
    s.attempts = item.item.attempts;
    s.turns = item.item.turns;
    s.next_try = item.item.not_before;
    if (!item.item.last_error.empty()) s.last_error = item.item.last_error;
  }

  void judge(Seen& seen) const {
    SourceStatus& s = seen.status;
    if (facts_.quota) std::tie(s.quota, s.quota_used) = facts_.quota(s.client);
    if (facts_.paused) s.paused = facts_.paused(s.client);
    const auto told = facts_.expected ? facts_.expected(s.client, s.module, s.name) : std::nullopt;
    s.period = told ? told->every : learn_period(seen.began);
    s.learned = !told && s.period;
    if (s.period && s.last_success) s.next = s.last_success->plus(*s.period);
    if (facts_.overdue_after == 0 || (told && !told->every)) return;
    if (!s.last_success) {
      const auto patience = s.period.value_or(std::chrono::hours(24)) * facts_.overdue_after;
      s.overdue = !seen.asked || seen.asked->plus(patience) < now_;
    } else if (s.period) {
      s.overdue = s.last_success->plus(*s.period * facts_.overdue_after) < now_;
    }
  }

  const StatusFacts& facts_;
  const Timestamp now_;
  std::map<Key, Seen> sources_;
};

std::string show_period(const SourceStatus& s, Timestamp now) {
  if (!s.period) return {};
  return fmt::format("  expected every {}{}{}\n", show_age({0, 0}, {s.period->count(), 0}),
                     s.learned ? ", by what it did so far" : "",
                     s.next ? (*s.next > now ? ", next by " : ", was due ") + second_text(*s.next) : "");
}

// One line for each client that has a quota.
std::string show_quotas(const std::vector<SourceStatus>& sources) {
  std::string out;
  const SourceStatus* last = nullptr;
  for (const SourceStatus& s : sources) {
    const bool seen = last != nullptr && last->client == s.client;
    last = &s;
    if (seen || s.quota == 0) continue;
    const bool near = s.quota_used && *s.quota_used >= s.quota - s.quota / 10;
    out += fmt::format("{}: {} of its quota of {} used{}\n", s.client,
                       s.quota_used ? show_binary_bytes(*s.quota_used) : "not yet known how much",
                       show_binary_bytes(s.quota), near ? ": NEARLY FULL" : "");
  }
  return out;
}

}  // namespace

std::vector<SourceStatus> collect_status(const StatusFacts& facts, Timestamp now) {
  return Collector(facts, now).run();
}

std::string show_age(Timestamp then, Timestamp now) {
  const std::int64_t seconds = std::max<std::int64_t>(now.seconds - then.seconds, 0);
  if (seconds < 120) return fmt::format("{} s", seconds);
  if (seconds < 7200) return fmt::format("{} min", seconds / 60);
  if (seconds < 172800) return fmt::format("{} h", seconds / 3600);
  return fmt::format("{} d", seconds / 86400);
}

std::string show_status(const std::vector<SourceStatus>& sources, std::optional<Timestamp> all_paused,
                        Timestamp now, const ClientStates& states) {
  std::string out;
  std::size_t open = 0, overdue = 0;
  for (const SourceStatus& s : sources) {
    if (s.state == "queued" || s.state == "working" || s.state == "waiting") ++open;
    if (s.overdue) ++overdue;
    out += fmt::format("{} {} {} {}{}\n", s.client, s.module, s.method, bk::quoted(s.name),
                       s.overdue ? ": OVERDUE" : "");
    out += s.last_success ? fmt::format("  last success {} ({} ago), {} snapshots, {} files, {} bytes",
                                        second_text(*s.last_success), show_age(*s.last_success, now),
                                        s.snapshots, s.files, s.bytes)
                          : std::string("  no success yet");
    if (s.skipped > 0) out += fmt::format(", {} skipped", s.skipped);
    out += "\n" + show_period(s, now);
    if (s.paused)
      out +=
          fmt::format("  paused since {}; do_backup --resume {} ends it\n", second_text(*s.paused), s.client);
    if (s.state == "idle") continue;
    out += "  " + s.state;
    if (s.progress) out += ": " + show_progress(*s.progress);
    if (s.attempts > 0) out += fmt::format(", {} failed attempts", s.attempts);
    if (s.turns > 0)
      out +=
          fmt::format(", gave way to others {}{}", s.turns == 1 ? "once" : fmt::format("{} times", s.turns),
                      s.state == "queued" ? " and goes on in its turn" : "");
    if (s.next_try && *s.next_try > now) out += ", next try " + second_text(*s.next_try);
    if (!s.last_error.empty()) out += ": " + s.last_error;
    out += "\n";
  }
  out += show_quotas(sources);
  if (all_paused)
    out +=
        fmt::format("everything is paused since {}; do_backup --resume ends it\n", second_text(*all_paused));
  out += fmt::format("{} sources, {} with open requests, {} overdue\n", sources.size(), open, overdue);
  for (const ssh::HostKeyMark& mark : states.host_keys)
    out += "HOST KEY CHANGED: " + ssh::describe_mark(mark) + "\n";
  for (const NotTaken& mark : states.not_taken)
    out += "REQUESTS NOT TAKEN: " + describe_not_taken(mark) + "\n";
  return out;
}

std::string show_status_json(const std::vector<SourceStatus>& sources, std::optional<Timestamp> all_paused,
                             Timestamp now, const ClientStates& states) {
  nlohmann::json out;
  out["time"] = to_text(now);
  out["paused"] = json_of(all_paused);
  out["host_keys"] = nlohmann::json::array();
  for (const ssh::HostKeyMark& mark : states.host_keys)
    out["host_keys"].push_back(
        {{"client", mark.peer}, {"pinned", mark.pinned}, {"shown", mark.shown}, {"since", mark.since}});
  out["not_taken"] = nlohmann::json::array();
  for (const NotTaken& mark : states.not_taken)
    out["not_taken"].push_back(
        {{"client", mark.client}, {"since", to_text(mark.since)}, {"reason", percent_encode(mark.reason)}});
  out["sources"] = nlohmann::json::array();
  for (const SourceStatus& s : sources) out["sources"].push_back(json_of(s, now));
  return out.dump(2) + "\n";
}

}  // namespace bk::server
