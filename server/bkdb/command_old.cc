#include "common/error/error.h"
#include "common/io/file.h"
#include "common/restore/destination.h"
#include "common/text/escape.h"
#include "server/bkdb/json.h"
#include "server/bkdb/old_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace bk::bkdb {
namespace {

int ls_old(const OldFolder& folder, Session& session, const Words& words) {
  const std::vector<Selected> selected = session.select(words, Session::Default::All);
  if (session.json()) {
    print(ls_json(session.sources(), selected, folder.path(), {}));
    return kExitDone;
  }
  print(layout(session.sources(), selected,
               {shown_path(folder.path()), session.zone(), ::isatty(STDOUT_FILENO) == 1}));
  return kExitDone;
}

// Calls `body` for every selected entry; the number of those that are damaged.
template <class Body>
std::uint64_t for_each_old(const OldFolder& folder, Session& session, const std::vector<Selected>& chosen,
                           Body&& body) {
  std::uint64_t damaged = 0;
  for (const Selected& selected : chosen)
    for (const std::size_t at : selected.snapshots) {
      const store::SnapshotRecord& snapshot = session.sources()[selected.source].snapshots[at];
      const OldEntry& entry = folder.entry_of(snapshot);
      const std::string wrong = body(selected.source, snapshot, entry);
      if (wrong.empty()) continue;
      ++damaged;
      warn(fmt::format("{}: {}", quoted(entry.file), wrong));
    }
  return damaged;
}

int verify_old(const OldFolder& folder, Session& session, const Words& words) {
  std::uint64_t count = 0;
  const std::uint64_t damaged =
      for_each_old(folder, session, session.select_some(words, Session::Default::All),
                   [&](std::size_t, const store::SnapshotRecord&, const OldEntry& entry) {
                     ++count;
                     return folder.read(entry, {});
                   });
  for (const std::string& object : folder.unreferenced()) print("unreferenced: " + object + "\n");
  print(fmt::format("{}: {} archives read\n", damaged == 0 ? "good" : fmt::format("{} problems", damaged),
                    count));
  return damaged == 0 ? kExitDone : kExitCorrupt;
}

// A copy counts when its digest is right; otherwise it is taken away again.
std::string copy_archive(const OldFolder& folder, const OldEntry& entry, int directory,
                         const std::string& name) {
  Fd out(::openat(directory, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  check_sys(out.get(), [&] { return "making " + quoted(name); });
  std::string wrong = folder.read(entry, [&](std::string_view piece) { write_all(out.get(), piece); });
  out.close();
  if (!wrong.empty()) (void)::unlinkat(directory, name.c_str(), 0);
  return wrong;
}

int export_old(const OldFolder& folder, Session& session, const Words& words) {
  if (words.empty() || words[0].empty() || words[0] == "-")
    throw Error(Kind::Usage, "usage here: bkdb export DEST [data_idx] [datetime_range]");
  const std::vector<Selected> chosen =
      session.select_some(Words(words.begin() + 1, words.end()), Session::Default::Newest);
  Destination destination(words[0], {session.options().has("force"), !session.options().has("no-sync")});
  const std::uint64_t damaged = for_each_old(
      folder, session, chosen,
      [&](std::size_t index, const store::SnapshotRecord& snapshot, const OldEntry& entry) {
        const std::string name = entry_name(index, snapshot);
        std::string wrong = copy_archive(folder, entry, destination.fd(), name);
        if (!wrong.empty()) return wrong;
        destination.add({name, "", "", snapshot.method, snapshot.name, snapshot.id, snapshot.began});
        print(fmt::format("{} is {} of {}\n", name, shown_path(snapshot.name),
                          shown_time(snapshot.began, session.zone())));
        return wrong;
      });
  destination.finish();
  return damaged == 0 ? kExitDone : kExitCorrupt;
}

}  // namespace

int run_old(const OldFolder& folder, Session& session, const std::string& command, const Words& words) {
  for (const std::string& line : folder.ignored()) warn(line);
  session.use(folder.sources());
  if (command == "ls") return ls_old(folder, session, words);
  if (command == "verify") return verify_old(folder, session, words);
  if (command == "export") return export_old(folder, session, words);
  throw Error(Kind::Usage, quoted(folder.path()) +
                               " is a folder of the old system, which is only read: ls, verify, export; "
                               "`bkdb import` takes it into a store");
}

}  // namespace bk::bkdb
