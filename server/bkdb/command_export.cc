#include "common/archive/pax_writer.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/restore/destination.h"
#include "common/restore/whole_rows.h"
#include "common/text/escape.h"
#include "server/bkdb/commands.h"
#include "server/bkdb/export_pax.h"
#include "server/bkdb/export_tree.h"
#include "server/bkdb/json.h"
#include "server/bkdb/restore_feed.h"
#include "server/bkdb/walk.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

namespace bk::bkdb {
namespace {

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

void require_no_terminal() {
  if (::isatty(STDOUT_FILENO) == 1)
    throw Error(Kind::Usage, "an archive does not go to a terminal; redirect standard output");
}

int export_stream(Session& session, const std::vector<Selected>& chosen) {
  require_no_terminal();
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

void refuse_inside_store(const Session& session, const std::string& destination) {
  const std::string path = clean_absolute(destination) + "/";
  if (path.starts_with(session.store_directory() + "/"))
    throw Error(Kind::Usage, quoted(destination) + " lies inside the store; export somewhere else");
}

ExportedEntry exported_entry(const std::string& entry, const store::SnapshotRecord& s) {
  return {entry, s.client, s.module, s.method, s.name, s.id, s.began};
}

int export_folder(Session& session, const std::vector<Selected>& chosen, const std::string& path) {
  refuse_inside_store(session, path);
  Destination destination(path, {session.options().has("force"), !session.options().has("no-sync")});
  RestoreReport report;
  Findings findings;
  bool not_whole = false;
  for_each_chosen(session, chosen,
                  [&](const store::SnapshotRecord& snapshot, const std::string& entry, std::size_t index,
                      const std::vector<std::string>& parts) {
                    note_skipped(snapshot, entry, findings);
                    const bool goes_on = destination.begin(exported_entry(entry, snapshot));
                    if (!goes_on && parts.empty())
                      if (const std::string lack = destination.lack_of_room(snapshot.bytes, snapshot.files);
                          !lack.empty())
                        warn(lack);
                    const TreeExport task{destination.fd(), path, entry, parts, goes_on};
                    std::vector<std::string> missing =
                        export_tree(session.store(), snapshot, task, report, findings);
                    destination.add(exported_entry(entry, snapshot));
                    not_whole = not_whole || is_not_whole(join_path(path, entry));
                    print(session.json() ? exported_json(index, snapshot, entry)
                                         : fmt::format("{} is {} of {}\n", entry, shown_path(snapshot.name),
                                                       shown_time(snapshot.began, session.zone())));
                    return missing;
                  });
  destination.finish();
  if (not_whole) warn(not_whole_advice("bkdb", path));
  for (const std::string& line : report.lines()) warn(line);
  return findings.status() != kExitDone ? findings.status() : report.empty() ? kExitDone : kExitPartial;
}

// What a part of it takes is not known before it was walked.
restore::Tree tree_message(const std::string& entry, const store::SnapshotRecord& s, bool whole) {
  return {
      entry, s.client, s.module, s.method, s.name, s.id, s.began, whole ? s.files : 0, whole ? s.bytes : 0};
}

// For `restore_it --from -`.
int export_restore_stream(Session& session, const Words& choice) {
  require_no_terminal();
  restore::StreamWriter out([](std::string_view bytes) { print(bytes); }, "bkdb");
  const int status = send_restore_stream(session, choice, out);
  out.done(status);
  return status;
}

}  // namespace

int send_restore_stream(Session& session, const Words& choice, restore::StreamWriter& out) {
  const std::vector<Selected> chosen = session.select_some(choice, Session::Default::Newest);
  Findings findings;
  findings.listener = [&](bool damaged, const std::string& path, const std::string& text) {
    out.finding({damaged, path, text});
  };
  for_each_chosen(session, chosen,
                  [&](const store::SnapshotRecord& snapshot, const std::string& entry, std::size_t,
                      const std::vector<std::string>& parts) {
                    note_skipped(snapshot, entry, findings);
                    out.tree(tree_message(entry, snapshot, parts.empty()));
                    std::vector<std::string> missing =
                        feed_tree(session.store(), snapshot, {entry, parts, true}, out, findings);
                    out.tree_end();
                    return missing;
                  });
  return findings.status();
}

int run_export(Session& session, const Words& words) {
  if (words.empty() || words[0].empty())
    throw Error(Kind::Usage, "usage: bkdb export DEST|- [data_idx] [datetime_range]");
  const Words choice(words.begin() + 1, words.end());
  if (session.options().has("stream")) {
    if (words[0] != "-") throw Error(Kind::Usage, "--stream goes with \"export -\"");
    return export_restore_stream(session, choice);
  }
  const std::vector<Selected> chosen = session.select_some(choice, Session::Default::Newest);
  if (words[0] == "-") return export_stream(session, chosen);
  try {
    return export_folder(session, chosen, words[0]);
  } catch (const Error& error) {
    throw Destination::is_unfinished(words[0]) ? with_hint(error) : error;
  }
}

}  // namespace bk::bkdb
