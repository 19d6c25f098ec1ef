#include "common/error/error.h"
#include "common/text/escape.h"
#include "server/bkdb/removal.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>

namespace bk::bkdb {
namespace {

using Records = std::vector<store::SnapshotRecord>;

std::size_t left_of(Session& session, const store::SnapshotRecord& record, std::size_t chosen) {
  for (const Source& source : session.sources()) {
    if (source.id() == source_id(record.client, record.module, record.method, record.name))
      return source.snapshots.size() - chosen;
  }
  return 0;
}

// One line for each source, then the sum: what a person looks at before saying yes.
std::string summary(Session& session, const Records& records) {
  std::string out;
  std::size_t sources = 0;
  Timestamp newest = records.front().began;
  for (std::size_t first = 0, end = 0; first < records.size(); first = end) {
    const std::string source = shown_source(records[first]);
    while (end < records.size() && shown_source(records[end]) == source) ++end;
    const std::size_t left = left_of(session, records[first], end - first);
    out += fmt::format("{}: {} snapshots, {} to {}, {}\n", source, end - first,
                       shown_time(records[first].began, session.zone()),
                       shown_time(records[end - 1].began, session.zone()),
                       left == 0 ? "ALL that there are" : fmt::format("{} stay", left));
    newest = std::max(newest, records[end - 1].began);
    ++sources;
  }
  return out + fmt::format("{} snapshots of {} sources, the newest of {}\n", records.size(), sources,
                           shown_time(newest, session.zone()));
}

void refuse_held(Session& session, const Records& records) {
  const auto holds = holds_of(session.store(), records);
  for (const store::SnapshotRecord& record : records) {
    const auto held = holds.find(record.id);
    if (held == holds.end()) continue;
    const std::string& reason = held->second.reason;
    throw Error(Kind::Refused,
                fmt::format("snapshot {} of {} is held{}; nothing was removed, `bkdb release` ends the hold",
                            shown_time(record.began, session.zone()), shown_source(record),
                            reason.empty() ? "" : " (" + quoted(reason) + ")"));
  }
}

bool confirmed() {
  print("Remove them? [yes/no] ");
  (void)std::fflush(stdout);
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "yes" || answer == "y";
}

}  // namespace

int run_rm(Session& session, const Words& words) {
  const Options& options = session.options();
  const std::optional<std::uint64_t> expected = expected_count(options);
  if (options.has("yes") && !expected && options.all("source").empty())
    throw Error(Kind::Usage, "rm --yes needs --source or --expect: numbers move when sources come");
  const Records records = chosen_snapshots(session, words, Session::Default::All);
  print(summary(session, records));
  if (expected && *expected != records.size())
    throw Error(Kind::Refused, fmt::format("--expect {}, but {} snapshots match; nothing was removed",
                                           *expected, records.size()));
  refuse_held(session, records);
  if (!options.has("yes") && !confirmed()) throw Error(Kind::Refused, "not confirmed; nothing was removed");
  mark_all(session, records, mark_template(options, store::MarkKind::Removal));
  print(fmt::format("removed {} snapshots; `bkdb clean` gives their room back\n", records.size()));
  return kExitDone;
}

int run_hold(Session& session, const Words& words) {
  const Records records = chosen_snapshots(session, words, Session::Default::Newest);
  mark_all(session, records, mark_template(session.options(), store::MarkKind::Hold));
  for (const store::SnapshotRecord& record : records)
    print(fmt::format("held: {} of {}\n", shown_time(record.began, session.zone()), shown_source(record)));
  return kExitDone;
}

int run_release(Session& session, const Words& words) {
  Records records = chosen_snapshots(session, words, Session::Default::All);
  const auto holds = holds_of(session.store(), records);
  std::erase_if(records, [&](const store::SnapshotRecord& record) { return !holds.contains(record.id); });
  if (records.empty()) throw Error(Kind::NotFound, "none of these snapshots is held");
  mark_all(session, records, mark_template(session.options(), store::MarkKind::Release));
  for (const store::SnapshotRecord& record : records)
    print(
        fmt::format("released: {} of {}\n", shown_time(record.began, session.zone()), shown_source(record)));
  return kExitDone;
}

}  // namespace bk::bkdb
