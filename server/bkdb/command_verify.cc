#include "common/error/error.h"
#include "common/text/escape.h"
#include "server/bkdb/commands.h"
#include "server/bkdb/json.h"
#include "server/bkdb/verify.h"

#include <fmt/format.h>

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

}  // namespace

int run_verify(Session& session, const Words& words) {
  std::uint64_t problems = 0;
  // The store's own structure first: what it finds explains what the snapshots then suffer from.
  session.store().check_structure([&](const std::string& text) {
    ++problems;
    if (session.json())
      print(fmt::format("{{\"structure\":\"{}\"}}\n", percent_encode(text)));
    else
      print("store: " + text + "\n");
  });
  const std::vector<const store::SnapshotRecord*> records = chosen_records(session, words);
  const Problem tell = [&](const store::SnapshotRecord& snapshot, const std::string& path,
                           const std::string& reason) {
    ++problems;
    if (session.json()) return print(problem_json(snapshot, path, reason));
    print(fmt::format("damaged: snapshot {} of {} ({}, {}): {}: {}\n", snapshot.id.substr(0, 12),
                      shown_time(snapshot.began, session.zone()), snapshot.client, snapshot.method,
                      quoted(joined(snapshot.name, path)), reason));
  };
  const VerifyTotals totals =
      verify_snapshots(session.store(), records, !session.options().has("structure"), tell);
  if (session.json())
    print(totals_json(totals, problems));
  else
    print(fmt::format("{}: {} snapshots, {} folders, {} files, {} chunks, {} bytes read\n",
                      problems == 0 ? "good" : fmt::format("{} problems", problems), totals.snapshots,
                      totals.directories, totals.files, totals.chunks, totals.bytes));
  return problems == 0 ? kExitDone : kExitCorrupt;
}

}  // namespace bk::bkdb
