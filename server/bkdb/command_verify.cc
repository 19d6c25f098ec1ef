#include "common/config/config.h"
#include "common/error/error.h"
#include "common/text/escape.h"
#include "server/bkdb/commands.h"
#include "server/bkdb/good_chunks.h"
#include "server/bkdb/json.h"
#include "server/bkdb/progress_line.h"
#include "server/bkdb/verify.h"

#include <fmt/format.h>

#include <cstdlib>
#include <set>

namespace bk::bkdb {
namespace {

std::string joined(const std::string& source, const std::string& path) {
  if (path.empty()) return source;
  return source == "/" ? "/" + path : source + "/" + path;
}

std::vector<const store::SnapshotRecord*> chosen_records(Session& session, const Words& words) {
  std::vector<const store::SnapshotRecord*> out;
  for (const Selected& selected : session.select_some(words, Session::Default::All))
    for (const std::size_t at : selected.snapshots)
      out.push_back(&session.sources()[selected.source].snapshots[at]);
  return out;
}

// What a check found; problems are told as they come.
struct Verdict {
  std::uint64_t damaged = 0, unreadable = 0;
  std::vector<std::string> suffering;  // snapshots
  [[nodiscard]] int status() const {
    return damaged > 0 ? kExitCorrupt : unreadable > 0 ? kExitIo : kExitDone;
  }
};

// "5%", "0.5%"
double share_of(const std::string& word) {
  char* end = nullptr;
  const double percent = std::strtod(word.c_str(), &end);
  if (end == word.c_str() || std::string(end) != "%" || !(percent > 0 && percent <= 100))
    throw Error(Kind::Usage, "--sample takes a share such as 5%, not " + quoted(word));
  return percent / 100;
}

store::PackPlan plan_of(const Options& options) {
  store::PackPlan plan;
  plan.payloads = !options.has("structure");
  if (const auto word = options.get("sample")) plan.share = share_of(*word);
  if (const auto word = options.get("older")) {
    // A bare number is days, as people say it.
    const bool bare = word->find_first_not_of("0123456789") == std::string::npos;
    const auto span = parse_duration(bare ? *word + "d" : *word);
    if (!span || span->count() == 0)
      throw Error(Kind::Usage, "--older takes days or a time such as 12h, not " + quoted(*word));
    plan.not_read_for = *span;
  }
  if (!plan.payloads && (plan.share < 1 || plan.not_read_for.count() > 0))
    throw Error(Kind::Usage, "--structure reads no contents, so --sample and --older have nothing to choose");
  return plan;
}

void tell_structure(const Session& session, Verdict& verdict, const std::string& text, bool unreadable) {
  ++(unreadable ? verdict.unreadable : verdict.damaged);
  if (session.json())
    print(fmt::format("{{\"{}\":\"{}\"}}\n", unreadable ? "unreadable" : "structure", percent_encode(text)));
  else
    print(fmt::format("{}: {}\n", unreadable ? "cannot read" : "store", text));
}

// The store's own structure first: what it finds explains what the snapshots then suffer from.
store::PackTotals check_store(Session& session, const store::PackPlan& plan, Verdict& verdict) {
  ProgressLine progress("verify");
  const store::PackTotals totals = session.store().check_packs(
      plan,
      [&](const store::PackProblem& problem) {
        progress.clear();
        tell_structure(session, verdict, problem.text, problem.unreadable);
      },
      [&](std::uint64_t done, std::uint64_t all) { progress.show(done, all); });
  progress.clear();
  if (totals.without_parity > 0 && !session.json())
    print(fmt::format("store: {} packs are without parity; `bkdb heal` makes it\n", totals.without_parity));
  session.store().check_records([&](const store::PackProblem& problem) {
    tell_structure(session, verdict, problem.text, problem.unreadable);
  });
  return totals;
}

VerifyTotals check_snapshots(Session& session, const std::vector<const store::SnapshotRecord*>& records,
                             const VerifyPlan& plan, Verdict& verdict) {
  std::set<std::string> suffering;
  ProgressLine progress("snapshots");
  const Problem tell = [&](const store::SnapshotRecord& snapshot, const std::string& path,
                           const Reason& reason) {
    progress.clear();
    ++(reason.unreadable ? verdict.unreadable : verdict.damaged);
    if (!reason.unreadable) suffering.insert(snapshot.id);
    if (session.json()) return print(problem_json(snapshot, path, reason));
    print(fmt::format("{}: snapshot {} of {} ({}, {}): {}: {}\n",
                      reason.unreadable ? "cannot read" : "damaged", snapshot.id.substr(0, 12),
                      shown_time(snapshot.began, session.zone()), snapshot.client, snapshot.method,
                      quoted(joined(snapshot.name, path)), reason.text));
  };
  VerifyTotals totals = verify_snapshots(session.store(), records, plan, tell,
                                         [&](std::uint64_t bytes) { progress.show(bytes, 0); });
  // Their sources' next backups look at everything again, so that what is lost comes anew.
  session.store().note_suffering({suffering.begin(), suffering.end()});
  verdict.suffering.assign(suffering.begin(), suffering.end());
  return totals;
}

void advise(const Session& session, const Verdict& verdict) {
  if (session.json()) return;
  if (verdict.damaged == 0 && verdict.unreadable > 0)
    print(
        "when it stays so: `bkdb heal` takes what cannot be read from parity or another copy (--from), and "
        "the "
        "next backup brings what the client still has\n");
  if (verdict.damaged == 0) return;
  print(
      "`bkdb heal` repairs what parity or another copy (--from) can; the next backup brings what the client "
      "still has\n");
}

std::string counted(const Verdict& verdict) {
  if (verdict.damaged == 0 && verdict.unreadable == 0) return "good";
  if (verdict.unreadable == 0) return fmt::format("{} problems", verdict.damaged);
  return fmt::format("{} problems, {} that cannot be read", verdict.damaged, verdict.unreadable);
}

}  // namespace

int run_verify(Session& session, const Words& words) {
  store::PackPlan plan = plan_of(session.options());
  const bool part = plan.share < 1 || plan.not_read_for.count() > 0;
  if (part && !words.empty())
    throw Error(Kind::Usage, "--sample and --older choose by packs, which sources share: name no sources");
  Verdict verdict;
  // Listed first: what comes meanwhile is the next verify's.
  const auto records = chosen_records(session, words);
  GoodChunks good(session.store());
  VerifyPlan what{plan.payloads && !part, nullptr};
  if (plan.payloads && words.empty()) {
    plan.good = [&](std::span<const store::ChunkMark> marks) {
      if (!part) good.add(marks);
    };
    if (!part) what.good = &good;
  }
  if (!words.empty()) plan.payloads = false;  // only what is chosen is read, and that below
  const store::PackTotals packs = check_store(session, plan, verdict);
  if (part) {
    // Content was read as far as the plan goes; whom damage hits is found without reading more.
    if (verdict.damaged + verdict.unreadable > 0) (void)check_snapshots(session, records, what, verdict);
    if (session.json())
      print(fmt::format("{{\"packs\":{},\"bytes\":{},\"left_out\":{},\"problems\":{},\"unreadable\":{}}}\n",
                        packs.packs, packs.bytes, packs.left_out, verdict.damaged, verdict.unreadable));
    else
      print(fmt::format("{}: {} packs, {} bytes read; {} packs not chosen\n", counted(verdict), packs.packs,
                        packs.bytes, packs.left_out));
    advise(session, verdict);
    return verdict.status();
  }
  const VerifyTotals totals = check_snapshots(session, records, what, verdict);
  if (session.json())
    print(totals_json(totals, verdict.damaged + verdict.unreadable));
  else
    print(fmt::format("{}: {} snapshots{}, {} folders, {} files, {} chunks, {} bytes read\n",
                      counted(verdict), totals.snapshots,
                      totals.sealed > 0 ? fmt::format(" ({} sealed)", totals.sealed) : "", totals.directories,
                      totals.files, totals.chunks, totals.bytes));
  advise(session, verdict);
  return verdict.status();
}

}  // namespace bk::bkdb
