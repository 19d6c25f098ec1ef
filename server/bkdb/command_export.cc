#include "common/archive/pax_writer.h"
#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/text/escape.h"
#include "server/bkdb/commands.h"
#include "server/bkdb/export_list.h"
#include "server/bkdb/export_pax.h"
#include "server/bkdb/export_tree.h"
#include "server/bkdb/json.h"
#include "server/bkdb/walk.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace bk::bkdb {
namespace {

constexpr const char* kListName = "EXPORT.txt";
constexpr std::uint64_t kMaxListBytes = 1U << 30U;

// The parts asked for, as paths within one source.
std::vector<std::string> parts_for(const Session& session, const Source& source, bool& any) {
  std::vector<std::string> parts;
  for (const std::string& word : session.options().all("path"))
    if (const std::optional<std::string> part = part_of(word, source.name)) parts.push_back(*part);
  any = !parts.empty() || !session.options().has("path");
  return parts;
}

// Whether each --path was found in some snapshot.
class PathsFound {
 public:
  explicit PathsFound(std::vector<std::string> words)
      : words_(std::move(words)), found_(words_.size(), false) {}
  void note(const Source& source, const std::vector<std::string>& missing) {
    for (std::size_t i = 0; i < words_.size(); ++i) {
      const std::optional<std::string> part = part_of(words_[i], source.name);
      if (part && std::find(missing.begin(), missing.end(), *part) == missing.end()) found_[i] = true;
    }
  }
  void require_all() const {
    for (std::size_t i = 0; i < words_.size(); ++i)
      if (!found_[i])
        throw Error(Kind::NotFound, "--path " + quoted(words_[i]) + ": not in any selected snapshot");
  }

 private:
  std::vector<std::string> words_;
  std::vector<bool> found_;
};

void note_skipped(const store::SnapshotRecord& snapshot, const std::string& entry, Findings& findings) {
  if (snapshot.skipped_count > 0)
    findings.leave_out(entry, fmt::format("the backup itself was partial: {} entries skipped or flagged",
                                          snapshot.skipped_count));
}

// Calls `body` for every selected snapshot that may hold a wanted part.
template <class Body>
void for_each_chosen(Session& session, const std::vector<Selected>& chosen, Body&& body) {
  PathsFound found(session.options().all("path"));
  for (const Selected& selected : chosen) {
    const Source& source = session.sources()[selected.source];
    bool any = false;
    const std::vector<std::string> parts = parts_for(session, source, any);
    if (!any) continue;
    for (const std::size_t at : selected.snapshots) {
      const store::SnapshotRecord& snapshot = source.snapshots[at];
      found.note(source, body(snapshot, entry_name(selected.source, snapshot), selected.source, parts));
    }
  }
  found.require_all();
}

int export_stream(Session& session, const std::vector<Selected>& chosen) {
  if (::isatty(STDOUT_FILENO) == 1)
    throw Error(Kind::Usage, "an archive does not go to a terminal; redirect standard output");
  Findings findings;
  PaxWriter pax([](std::string_view bytes) { print(bytes); });
  for_each_chosen(session, chosen,
                  [&](const store::SnapshotRecord& snapshot, const std::string& entry, std::size_t,
                      const std::vector<std::string>& parts) {
                    note_skipped(snapshot, entry, findings);
                    return export_pax(session.store(), snapshot, entry, parts, pax, findings);
                  });
  pax.close();
  return findings.status();
}

// DEST as an open directory, made when it is absent.  Only the folder itself is made: a misspelt parent is an
// error, not a new tree.
Fd open_destination(const std::string& destination, bool force) {
  if (::mkdir(destination.c_str(), 0700) != 0 && errno != EEXIST)
    throw sys_error(errno, "making the folder " + quoted(destination));
  Fd fd(::open(destination.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd && errno == ENOTDIR) throw Error(Kind::Usage, quoted(destination) + " is not a folder");
  if (!fd) throw sys_error(errno, "opening " + quoted(destination));
  if (!force && !list_directory(destination).empty())
    throw Error(Kind::Usage,
                quoted(destination) + " is not empty; name a new folder, or use --force to add to it");
  return fd;
}

// What an earlier export into the same folder listed; with --force only.
std::vector<ExportedEntry> earlier_list(const std::string& destination) {
  const std::string path = join_path(destination, kListName);
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0) return {};
  if (!S_ISREG(st.st_mode)) throw Error(Kind::Usage, quoted(path) + " is not a regular file; move it away");
  try {
    return parse_export_list(read_file(path, kMaxListBytes));
  } catch (const Error& error) {
    throw Error(Kind::Usage, quoted(path) + " is not an export's list (" + error.what() + "); move it away");
  }
}

void refuse_inside_store(const Session& session, const std::string& destination) {
  const std::string path = clean_absolute(destination) + "/";
  if (path.starts_with(session.store_directory() + "/"))
    throw Error(Kind::Usage, quoted(destination) + " lies inside the store; export somewhere else");
}

int export_folder(Session& session, const std::vector<Selected>& chosen, const std::string& destination) {
  refuse_inside_store(session, destination);
  const Fd folder = open_destination(destination, session.options().has("force"));
  std::vector<ExportedEntry> list = earlier_list(destination);
  RestoreReport report;
  Findings findings;
  for_each_chosen(session, chosen,
                  [&](const store::SnapshotRecord& snapshot, const std::string& entry, std::size_t index,
                      const std::vector<std::string>& parts) {
                    note_skipped(snapshot, entry, findings);
                    const TreeExport task{folder.get(), destination, entry, parts};
                    std::vector<std::string> missing =
                        export_tree(session.store(), snapshot, task, report, findings);
                    list.push_back(exported_entry(entry, snapshot));
                    print(session.json() ? exported_json(index, snapshot, entry)
                                         : fmt::format("{} is {} of {}\n", entry, shown_path(snapshot.name),
                                                       shown_time(snapshot.began, session.zone())));
                    return missing;
                  });
  check_sys(::syncfs(folder.get()), [&] { return "syncing " + quoted(destination); });
  crash_point("bkdb.export_synced");
  // Last: an export with its list is complete.
  replace_durably(join_path(destination, kListName), write_export_list(list), 0644);
  sync_directory(parent_of(clean_absolute(destination)));
  crash_point("bkdb.export_listed");
  for (const std::string& line : report.lines()) warn(line);
  return findings.status() != kExitDone ? findings.status() : report.empty() ? kExitDone : kExitPartial;
}

}  // namespace

int run_export(Session& session, const Words& words) {
  if (words.empty() || words[0].empty())
    throw Error(Kind::Usage, "usage: bkdb export DEST|- [data_idx] [datetime_range]");
  const std::vector<Selected> chosen =
      session.select_some(Words(words.begin() + 1, words.end()), Session::Default::Newest);
  return words[0] == "-" ? export_stream(session, chosen) : export_folder(session, chosen, words[0]);
}

}  // namespace bk::bkdb
