#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/text/document.h"
#include "server/access/client_rules.h"
#include "server/bkdb/json.h"
#include "server/bkdb/removal.h"

#include <fmt/format.h>

#include <algorithm>

namespace bk::bkdb {
namespace {

constexpr std::int64_t kTooLong = 30 * 86400;  // seconds without a run, as if the clock had jumped

struct Choice {
  std::size_t seen = 0;  // snapshots that a rule looked at
  std::vector<store::SnapshotRecord> gone;
};

std::string state_file(const std::string& home) { return join_path(home, "log/keep"); }

std::optional<Timestamp> last_run(const std::string& home) {
  const std::optional<std::string> text = try_read_file(state_file(home), 65536);
  if (!text) return std::nullopt;
  try {
    return parse_timestamp(Document::parse(*text, "bk-keep").get("ran"));
  } catch (const Error& error) {
    throw Error(Kind::Config, "\"" + state_file(home) + "\" cannot be read (" + error.what() +
                                  "); remove it when the clock is right");
  }
}

void note_run(const std::string& home, Timestamp now) {
  ensure_directory(join_path(home, "log"));
  replace_durably(state_file(home), Document("bk-keep", 1).add("ran", to_text(now)).write());
  crash_point("bkdb.keep.noted");
}

// A clock that is wrong makes wrong snapshots, and rules then keep those and not the right ones.
void check_clock(const std::vector<Source>& sources, std::optional<Timestamp> last, Timestamp now,
                 bool expected) {
  for (const Source& source : sources) {
    const store::SnapshotRecord& newest = source.snapshots.back();
    if (newest.began > now)
      throw Error(
          Kind::Refused,
          fmt::format("the newest snapshot of {} is of {}, which is still to come: the clock went back, or "
                      "was ahead when it was made; nothing was removed",
                      shown_source(newest), to_text(newest.began)));
  }
  if (!last) return;
  if (*last > now)
    throw Error(Kind::Refused, "the last run was at " + to_text(*last) +
                                   ", which is still to come: the clock went back; nothing was removed");
  if (now.seconds - last->seconds > kTooLong && !expected)
    throw Error(Kind::Refused,
                "the last run was at " + to_text(*last) +
                    ", more than 30 days ago: if the clock is right, look with --pretend and say "
                    "--expect N; nothing was removed");
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

void show(Session& session, const store::SnapshotRecord& record, const std::vector<std::string>& reasons) {
  if (session.json()) return print(kept_json(record, reasons));
  print(fmt::format("  {} {}{}\n", reasons.empty() ? "goes  " : "stays ",
                    shown_time(record.began, session.zone()), reasons.empty() ? "" : "  " + joined(reasons)));
}

// What goes of one source; told when `tell` is set.
void choose(Session& session, const Source& source, const server::KeepPolicy& policy,
            const std::map<std::string, store::SnapshotMark>& holds, bool tell, Choice& out) {
  std::vector<server::RetainedSnapshot> snapshots;
  for (const store::SnapshotRecord& record : source.snapshots)
    snapshots.push_back({record.began, record.skipped_count == 0, holds.contains(record.id)});
  const std::vector<std::vector<std::string>> reasons = server::choose_kept(policy, snapshots);
  if (tell && !session.json()) print(shown_source(source.snapshots.front()) + "\n");
  for (std::size_t i = source.snapshots.size(); i-- > 0;) {
    if (tell) show(session, source.snapshots[i], reasons[i]);
    if (reasons[i].empty()) out.gone.push_back(source.snapshots[i]);
  }
  out.seen += source.snapshots.size();
}

Choice choose_all(Session& session, const server::KeepConf& conf, bool tell) {
  Choice out;
  for (const Source& source : session.sources()) {
    const server::KeepPolicy* const policy = conf.find(source.client, source.module, source.name);
    if (policy == nullptr) continue;
    choose(session, source, *policy, holds_of(session.store(), {source.snapshots.front()}), tell, out);
  }
  return out;
}

// More than at_most allows needs somebody who says how many.
void check_count(const Choice& choice, const server::KeepLimit& limit,
                 std::optional<std::uint64_t> expected) {
  const std::uint64_t gone = choice.gone.size();
  if (expected && *expected != gone)
    throw Error(Kind::Refused,
                fmt::format("--expect {}, but {} snapshots would go; nothing was removed", *expected, gone));
  const bool too_many = limit.count > 0
                            ? gone > limit.count
                            : gone * 100 > choice.seen * static_cast<std::uint64_t>(limit.percent);
  if (!too_many || expected) return;
  throw Error(
      Kind::Refused,
      fmt::format("{} of {} snapshots would go, more than at_most ({}) allows: look with --pretend, and "
                  "say --expect {} if that is right; nothing was removed",
                  gone, choice.seen,
                  limit.count > 0 ? std::to_string(limit.count) : std::to_string(limit.percent) + "%", gone));
}

}  // namespace

int run_keep(Session& session, const Words& words) {
  if (!words.empty())
    throw Error(Kind::Usage, "keep takes no words: [keep] sections of backline.conf say what stays");
  const server::KeepConf conf = server::load_backline_conf(session.place().home).keep;
  if (conf.rules.empty())
    throw Error(Kind::NotFound, "backline.conf has no [keep] section, so everything stays");
  const bool pretend = session.options().has("pretend");
  const std::optional<std::uint64_t> expected = expected_count(session.options());
  const std::string& home = session.place().home;
  const Timestamp now = SystemClock().now();
  const Choice choice = choose_all(session, conf, pretend);
  if (!session.json())
    print(
        fmt::format("{} of {} snapshots {}\n", choice.gone.size(), choice.seen, pretend ? "would go" : "go"));
  if (pretend) return kExitDone;
  check_clock(session.sources(), last_run(home), now, expected.has_value());
  check_count(choice, conf.at_most, expected);
  store::MarkTemplate what = mark_template(session.options(), store::MarkKind::Removal);
  if (what.reason.empty()) what.reason = "keep";
  mark_all(session, choice.gone, what);
  note_run(home, now);
  return kExitDone;
}

}  // namespace bk::bkdb
