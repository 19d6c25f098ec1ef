// The part of SnapshotLog that removes, holds and releases.
#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/io/lock.h"
#include "common/text/escape.h"
#include "server/store/snapshot_log.h"

#include <algorithm>
#include <set>
#include <utility>

namespace bk::store {
namespace {

std::string short_id(const std::string& id) { return id.substr(0, 12); }

MarkKind kind_of(const JournalLine& line) {
  if (line.kind == "hold") return MarkKind::Hold;
  return line.kind == "release" ? MarkKind::Release : MarkKind::Removal;
}

// What the lines say of each snapshot that still counts.
struct Standing {
  const JournalLine* snapshot = nullptr;
  const JournalLine* hold = nullptr;  // in force
};

std::map<std::string, Standing> standing_of(const std::vector<JournalLine>& lines) {
  std::map<std::string, Standing> out;
  for (const JournalLine& line : lines) {
    if (line.kind == "snapshot") out[line.object] = {&line, nullptr};
    if (line.kind == "removal") out.erase(line.object);
    const auto known = out.find(line.object);
    if (known == out.end()) continue;
    if (line.kind == "hold") known->second.hold = &line;
    if (line.kind == "release") known->second.hold = nullptr;
  }
  return out;
}

// Snapshots whose removal stands within the first `seen` lines.
std::set<std::string> removed_within(const std::vector<JournalLine>& lines, std::uint64_t seen) {
  std::set<std::string> out;
  for (const JournalLine& line : lines)
    if (line.kind == "removal" && line.number <= seen) out.insert(line.object);
  return out;
}

}  // namespace

SnapshotMark SnapshotLog::load_mark(const JournalLine& line) const { return load_mark(line, kind_of(line)); }

SnapshotMark SnapshotLog::load_mark(const JournalLine& line, MarkKind kind) const {
  const std::string name = object_name(line.number, to_word(kind));
  const std::string path = storage_->shown(name);
  const std::optional<std::string> text = storage_->get(name, kMaxMarkBytes);
  if (!text) throw Error(Kind::Corrupt, quoted(path) + " is missing, which the journal names");
  SnapshotMark mark;
  try {
    mark = parse_mark(kind, *text);
  } catch (const Error& error) {
    throw Error(Kind::Corrupt, quoted(path) + ": " + error.what());
  }
  if (mark.client != client_ || mark.snapshot != line.object || mark.source != line.source)
    throw Error(Kind::Corrupt, quoted(path) + " is not what the journal recorded");
  return mark;
}

// A mark about the snapshot of this line; what it needs of the record, which may be damaged, is left at zero
// then.
SnapshotMark SnapshotLog::mark_of(const JournalLine& line) const {
  SnapshotMark mark;
  mark.client = client_;
  mark.snapshot = line.object;
  mark.source = line.source;
  mark.line = line.number;
  try {
    const SnapshotRecord record = load(line);
    mark.sequence = record.sequence;
    mark.began = record.began;
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
  }
  return mark;
}

void SnapshotLog::mark(const MarkTemplate& what, std::span<const std::string> ids) {
  if (!is_directory(folder_)) throw Error(Kind::NotFound, "client " + quoted(client_) + " has no snapshots");
  const FileLock lock = FileLock::exclusive(folder_ + "/lock");
  repair_locked();
  const std::vector<JournalLine> lines = journal().lines();
  const std::map<std::string, Standing> standing = standing_of(lines);
  std::set<std::string> seen;
  std::vector<const JournalLine*> meant;
  for (const std::string& id : ids) {
    const auto known = standing.find(id);
    if (known == standing.end())
      throw Error(Kind::NotFound, "snapshot " + short_id(id) + " of " + quoted(client_) + " is not there");
    if (what.kind == MarkKind::Removal && known->second.hold != nullptr)
      throw Error(Kind::Refused, "snapshot " + short_id(id) + " of " + quoted(client_) +
                                     " is held; `bkdb release` ends that");
    if (seen.insert(id).second) meant.push_back(known->second.snapshot);
  }
  SnapshotJournal::End end{lines.size(), lines.empty() ? first_hash() : lines.back().hash};
  std::vector<JournalLine> added;
  for (const JournalLine* line : meant) {
    SnapshotMark mark = mark_of(*line);
    mark.kind = what.kind;
    mark.at = what.at;
    mark.by = what.by;
    mark.reason = what.reason;
    mark.previous = end.hash;
    added.push_back(SnapshotJournal::following(end, to_word(what.kind), line->object, line->source));
    const std::string name = object_name(added.back().number, to_word(what.kind));
    if (!storage_->put(name, write_mark(mark)))
      throw Error(Kind::Corrupt,
                  quoted(storage_->shown(name)) + " exists although the journal does not know it");
    crash_point("store.mark-object");
    end = {added.back().number, added.back().hash};
  }
  journal().append(added);
  crash_point("store.mark-entries");
}

std::map<std::string, SnapshotMark> SnapshotLog::holds() const {
  std::map<std::string, SnapshotMark> out;
  const std::vector<JournalLine> lines = journal().lines();
  for (const auto& [id, standing] : standing_of(lines)) {
    if (standing.hold != nullptr) out.emplace(id, load_mark(*standing.hold));
  }
  return out;
}

std::string SnapshotLog::hash_at(std::uint64_t line) const {
  if (line == 0) return first_hash();
  const std::vector<JournalLine> lines = journal().lines();
  if (line > lines.size())
    throw Error(Kind::Corrupt, quoted(folder_ + "/journal") + " has fewer lines than it had");
  return lines[line - 1].hash;
}

std::vector<SnapshotRecord> SnapshotLog::load_all(
    const std::vector<JournalLine>& lines, const std::function<bool(const JournalLine&)>& wanted) const {
  std::vector<SnapshotRecord> out;
  for (const JournalLine& line : lines) {
    if (line.kind == "snapshot" && wanted(line)) out.push_back(load(line));
  }
  return out;
}

std::vector<SnapshotRecord> SnapshotLog::leading(std::uint64_t upto) const {
  const std::vector<JournalLine> lines = journal().lines();
  const std::set<std::string> removed = removed_within(lines, upto);
  return load_all(
      lines, [&](const JournalLine& line) { return line.number <= upto && !removed.contains(line.object); });
}

std::vector<SnapshotRecord> SnapshotLog::made(std::uint64_t from, std::uint64_t to) const {
  return load_all(journal().lines(),
                  [&](const JournalLine& line) { return line.number > from && line.number <= to; });
}

std::vector<SnapshotRecord> SnapshotLog::removed(std::uint64_t from, std::uint64_t to) const {
  const std::vector<JournalLine> lines = journal().lines();
  const std::set<std::string> before = removed_within(lines, from), now = removed_within(lines, to);
  return load_all(lines, [&](const JournalLine& line) {
    return now.contains(line.object) && !before.contains(line.object);
  });
}

bool SnapshotLog::has_removed_records(std::uint64_t seen) const {
  const std::vector<JournalLine> lines = journal().lines();
  const std::set<std::string> removed = removed_within(lines, seen);
  return std::any_of(lines.begin(), lines.end(), [&](const JournalLine& line) {
    return line.kind == "snapshot" && removed.contains(line.object) &&
           storage_->exists(object_name(line.number));
  });
}

// The new object first: a line is never without one.
void SnapshotLog::forget_removed(std::uint64_t seen) {
  if (!is_directory(folder_)) return;
  const FileLock lock = FileLock::exclusive(folder_ + "/lock");
  const std::vector<JournalLine> lines = journal().lines();
  const std::set<std::string> removed = removed_within(lines, seen);
  std::string previous = "none";
  for (const JournalLine& line : lines) {
    const std::string before = std::exchange(previous, line.hash);
    if (line.kind != "snapshot" || !removed.contains(line.object)) continue;
    if (!storage_->exists(object_name(line.number))) continue;
    SnapshotMark mark = mark_of(line);
    mark.kind = MarkKind::Gone;
    mark.previous = before;
    (void)storage_->put(object_name(line.number, "gone"),
                        write_mark(mark));  // false: an earlier try was killed
    crash_point("store.record-gone");
    storage_->remove(object_name(line.number));
  }
}

}  // namespace bk::store
