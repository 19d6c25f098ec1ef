#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "server/bkdb/commands.h"
#include "server/bkdb/damage.h"
#include "server/bkdb/progress_line.h"
#include "server/pull/git_view.h"
#include "server/views/views.h"

#include <fmt/format.h>

#include <optional>
#include <set>

namespace bk::bkdb {
namespace {

// Existing mirrors no longer count as equal to their snapshots, so that they are made anew.
void distrust_mirrors(const std::string& home, const std::vector<store::SnapshotRecord>& records) {
  for (const Source& source : group_sources(records, {"", "git"})) {
    const std::string mirror = pull::git_view_path(home, source.client, source.name);
    const FileLock lock = pull::lock_git_view(home, mirror);
    if (path_exists(mirror)) pull::forget_git_view_snapshot(mirror);
  }
}

// Damaged or missing records, and what the old catalog remembers and no journal explains.
void name_missing(Session& session, const std::vector<server::CatalogSnapshot>& remembered,
                  const std::vector<store::SnapshotRecord>& records, Findings& findings) {
  store::Store& store = session.store();
  store.check_records([&](const store::PackProblem& problem) {
    if (problem.unreadable)
      findings.cannot_read(store.directory(), problem.text + "; run bkdb build again when it can be read");
    else
      findings.damage(store.directory(), problem.text);
  });
  std::set<std::string> there;
  for (const store::SnapshotRecord& record : records) there.insert(record.id);
  for (const server::CatalogSnapshot& s : remembered) {
    if (there.contains(s.id)) continue;
    try {
      if (store.was_made(s.client, s.id)) continue;  // it was removed, or named above
    } catch (const Error& error) {
      if (error.kind() != Kind::Corrupt && error.kind() != Kind::Protocol && error.kind() != Kind::Io) throw;
      continue;  // that client's journal was named
    }
    findings.damage(s.name,
                    fmt::format("snapshot {} of {} ({}, {}) is in the old catalog, and neither it nor "
                                "its removal is in the store",
                                s.id.substr(0, 12), shown_time(s.began, session.zone()), s.client, s.method));
  }
}

void rebuild_index(Session& session, bool anew) {
  ProgressLine progress("index");
  session.store().rebuild_index([&](std::uint64_t done, std::uint64_t all) { progress.show(done, all); },
                                anew);
  progress.clear();
}

void rebuild_views(const std::string& home, store::Store& store,
                   const std::vector<store::SnapshotRecord>& records) {
  bool all = true;
  server::rebuild_views(home, [&]() -> std::optional<std::vector<store::SnapshotRecord>> {
    auto now = store.snapshots({}, [&](const std::string&) { all = false; });
    return all ? std::optional(std::move(now)) : std::nullopt;
  });
  // The copy of a record that is lost in the store stays: it may be the last one.
  if (!all)
    for (const store::SnapshotRecord& record : records) server::update_view(home, record);
}

}  // namespace

// Index, catalog and views, from the store alone (I3).  Each step is finished before the next begins, and
// every one can be repeated.
int run_build(Session& session, const Words& words) {
  if (!words.empty()) throw Error(Kind::Usage, "build takes no words: it makes everything anew");
  store::Store& store = session.store_to_build();
  const bool force = session.options().has("force");
  rebuild_index(session, force);
  crash_point("bkdb.build_index");
  const std::string& home = session.place().home;
  Findings findings;
  server::Catalog catalog(join_path(home, "catalog.db"));
  const auto remembered = catalog.list();  // before the store: a row comes after its snapshot
  const auto records = store.snapshots({}, [](const std::string&) {});
  name_missing(session, remembered, records, findings);
  server::rebuild_catalog(catalog, store);
  crash_point("bkdb.build_catalog");
  rebuild_views(home, store, records);
  crash_point("bkdb.build_views");
  if (force) distrust_mirrors(home, records);
  const std::size_t mirrors = pull::rebuild_git_views(
      home, store, records, [&](const store::SnapshotRecord& record, const std::string& reason) {
        findings.damage(pull::git_view_path(home, record.client, record.name),
                        "snapshot " + record.id.substr(0, 12) + " cannot be read: " + reason);
      });
  print(
      fmt::format("built: index, catalog of {} snapshots, views, {} git mirrors\n", catalog.size(), mirrors));
  return findings.status();
}

}  // namespace bk::bkdb
