#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "server/bkdb/commands.h"
#include "server/bkdb/damage.h"
#include "server/pull/git_view.h"
#include "server/views/views.h"

#include <fmt/format.h>
#include <unistd.h>

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

}  // namespace

// Index, catalog and views, from the store alone (I3).  Each step is finished before the next begins, and
// every one can be repeated.
int run_build(Session& session, const Words& words) {
  if (!words.empty()) throw Error(Kind::Usage, "build takes no words: it makes everything anew");
  store::Store& store = session.store();
  const bool progress = ::isatty(STDERR_FILENO) == 1;
  store.rebuild_index([&](std::uint64_t done, std::uint64_t all) {
    if (progress && all > 0) std::fputs(fmt::format("\rindex: {}%", done * 100 / all).c_str(), stderr);
  });
  if (progress) std::fputs("\n", stderr);
  crash_point("bkdb.build_index");
  const std::string& home = session.place().home;
  server::Catalog catalog(join_path(home, "catalog.db"));
  server::rebuild_catalog(catalog, store);
  crash_point("bkdb.build_catalog");
  const std::vector<store::SnapshotRecord> records = store.snapshots();
  server::rebuild_views(home, records);
  crash_point("bkdb.build_views");
  if (session.options().has("force")) distrust_mirrors(home, records);
  Findings findings;
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
