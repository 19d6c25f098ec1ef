#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/path/names.h"
#include "common/text/escape.h"
#include "server/bkdb/old_folder.h"
#include "server/bkdb/progress_line.h"
#include "server/catalog/catalog.h"
#include "server/store/tree.h"
#include "server/views/views.h"

#include <fmt/format.h>

#include <algorithm>

namespace bk::bkdb {
namespace {

struct Import {
  std::uint64_t taken = 0, known = 0, damaged = 0;
};

enum class Known { No, Yes, Behind };

// Yes: this very archive of this time is there.  Behind: something newer is, and times of a source only go
// forward.
Known known(const std::vector<store::SnapshotRecord>& stored, const store::SnapshotRecord& wanted) {
  Known out = Known::No;
  for (const store::SnapshotRecord& record : stored) {
    if (record.module != wanted.module || record.method != wanted.method || record.name != wanted.name)
      continue;
    if (record.began == wanted.began && record.archive_sha256 == wanted.archive_sha256) return Known::Yes;
    if (record.began >= wanted.began) out = Known::Behind;
  }
  return out;
}

[[noreturn]] void refuse_behind(const store::SnapshotRecord& wanted) {
  throw Error(Kind::Refused,
              quoted(wanted.name) + " of client " + wanted.client +
                  " has newer snapshots than this archive of " + shown_time(wanted.began, Zone::Utc) +
                  ", and older ones cannot come in behind them; import as another --client or --module");
}

// The archive as a snapshot; "" or what is wrong with it.  Nothing is committed then.
std::string take(store::Store& store, const OldFolder& folder, const OldEntry& entry,
                 store::SnapshotRecord& record) {
  const auto writer = store.writer(record.client, record.module, record.method, record.name);
  store::StreamWriter stream(*writer, store.chunker());
  record.root = Entry();
  record.root.type = EntryType::File;
  record.root.mode = 0600;
  record.root.mtime = entry.time;
  std::string wrong = folder.read(entry, [&](std::string_view piece) {
    stream.feed(piece);
    record.root.size += piece.size();
  });
  if (!wrong.empty()) return wrong;
  record.root.content = stream.finish();
  record.bytes = record.root.size;
  (void)writer->commit(record);
  crash_point("bkdb.import_committed");
  return {};
}

store::SnapshotRecord record_of(const Session& session, const store::SnapshotRecord& shown, Zone zone) {
  store::SnapshotRecord out = shown;
  out.client = session.options().get("client").value_or("");
  out.module = session.options().get("module").value_or("imported");
  out.id.clear();
  out.by.clear();
  out.sequence = 0;
  out.skipped_count = 0;
  // The digits of the name, read in this machine's zone when the old server wrote them in it.
  const std::optional<std::int64_t> seconds = from_civil(to_utc(shown.began.seconds), zone);
  out.began.seconds = seconds.value_or(shown.began.seconds);
  out.ended = out.began;
  return out;
}

}  // namespace

int run_import(Session& session, const Words& words) {
  if (words.size() != 1)
    throw Error(Kind::Usage, "usage: bkdb import DIR --client NAME [--module NAME] [--local]");
  const std::string client = session.options().get("client").value_or("");
  if (client.empty()) throw Error(Kind::Usage, "--client NAME is needed: whose backups these are");
  require_safe_name("client", client);
  if (!is_directory(words[0])) throw Error(Kind::Usage, quoted(words[0]) + " is no folder");
  const std::optional<OldFolder> folder = OldFolder::open(clean_absolute(words[0]));
  if (!folder && path_exists(join_path(words[0], "EXPORT.txt")))
    throw Error(Kind::NotFound, quoted(words[0]) +
                                    " is an export, which says too little to become backups again; a store "
                                    "moves as it is: copy its folder and run `bkdb build` there");
  if (!folder) throw Error(Kind::NotFound, quoted(words[0]) + " holds no archives of the old system");
  for (const std::string& line : folder->ignored()) warn(line);

  store::Store& store = session.store_to_fill();
  const std::vector<store::SnapshotRecord> stored = store.snapshots(client);
  Import totals;
  std::uint64_t bytes = 0;
  ProgressLine progress("import");
  for (const Source& source : folder->sources())
    for (const store::SnapshotRecord& shown : source.snapshots) {
      const OldEntry& entry = folder->entry_of(shown);
      store::SnapshotRecord record = record_of(session, shown, session.zone());
      const Known before = known(stored, record);
      if (before == Known::Yes) {
        ++totals.known;
        continue;
      }
      const std::string wrong =
          before == Known::Behind ? folder->read(entry, {}) : take(store, *folder, entry, record);
      if (before == Known::Behind && wrong.empty()) refuse_behind(record);
      progress.show(bytes += record.bytes, 0);
      ++(wrong.empty() ? totals.taken : totals.damaged);
      if (wrong.empty()) continue;
      progress.clear();
      warn(fmt::format("{}: {}", quoted(entry.file), wrong));
    }
  progress.clear();
  const std::string& home = session.place().home;
  server::Catalog catalog(join_path(home, "catalog.db"));
  server::rebuild_catalog(catalog, store);
  crash_point("bkdb.import_catalog");
  server::rebuild_views(home, store.snapshots());
  print(fmt::format("imported: {} archives; {} were there already, {} cannot be read\n", totals.taken,
                    totals.known, totals.damaged));
  return totals.damaged == 0 ? kExitDone : kExitCorrupt;
}

}  // namespace bk::bkdb
