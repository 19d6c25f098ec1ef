#include "server/store/snapshot_log.h"

#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/path/names.h"
#include "common/storage/folder_storage.h"
#include "common/text/escape.h"
#include "server/store/bad_sectors.h"
#include "server/store/checkpoint_folder.h"
#include "server/store/covered_storage.h"
#include "server/store/known_clients.h"
#include "server/store/left_out.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <set>

namespace bk::store {
namespace {

std::string twenty_digits(std::uint64_t number) {
  std::string digits = std::to_string(number);
  return std::string(20 - digits.size(), '0') + digits;
}

const std::array<std::string, 5> kObjectKinds{"snapshot", "removal", "hold", "release", "gone"};

MarkKind mark_kind(const std::string& word) {
  for (const MarkKind kind : kMarkKinds) {
    if (to_word(kind) == word) return kind;
  }
  throw Error(Kind::Corrupt, quoted(word) + " is no kind of mark");
}

// What an object says of its own line.
struct Adopted {
  std::string client, previous, snapshot, source;
};

Adopted read_object(const Domain* domain, const std::string& kind, const std::string& text) {
  if (kind == "snapshot") {
    const SnapshotRecord record = parse_snapshot(text);
    return {record.client, record.previous, record.id,
            source_key(domain, record.client, record.module, record.method, record.name)};
  }
  const SnapshotMark mark = parse_mark(mark_kind(kind), text);
  return {mark.client, mark.previous, mark.snapshot, mark.source};
}

// How a record names the line before its own.
std::string shown_previous(const SnapshotJournal::End& end) { return end.count == 0 ? "none" : end.hash; }

}  // namespace

bool has_snapshots(const std::string& directory, const std::string& client) {
  try {
    const auto journal = open_reader(clean_absolute(directory) + "/snapshots/" + client + "/journal");
    return journal && journal->size() > 0;
  } catch (const Error&) {
    return false;
  }
}

std::vector<std::string> list_clients(const Layout& layout) {
  std::vector<std::string> out;
  for (const std::string& name : list_directory(layout.snapshots())) {
    if (is_safe_name(name) && is_directory(layout.snapshots() + "/" + name)) out.push_back(name);
  }
  return out;
}

SnapshotLog::SnapshotLog(const Layout& layout, const StoreId& store, std::string client)
    : storage_(covered(layout.storage, store.domain)),
      objects_(Layout::snapshot_objects(client)),
      folder_(layout.snapshots() + "/" + client),
      client_(std::move(client)),
      store_(store) {}

std::string SnapshotLog::object_name(std::uint64_t number, std::string_view kind) const {
  return objects_ + twenty_digits(number) + "." + std::string(kind);
}

// Another store's or client's journal does not chain here.
std::string SnapshotLog::first_hash() const {
  return Sha256::of("bk-journal 1 " +
                    hex_encode({reinterpret_cast<const char*>(store_.data()), store_.size()}) + " " + client_)
      .hex();
}

std::string SnapshotLog::source_of(const std::string& module, const std::string& method,
                                   const std::string& name) const {
  return source_key(store_.domain.get(), client_, module, method, name);
}

SnapshotJournal SnapshotLog::journal() const { return {folder_ + "/journal", first_hash()}; }

std::vector<JournalLine> SnapshotLog::live_lines() const {
  std::vector<JournalLine> all = journal().lines();
  std::set<std::string> removed;
  for (const JournalLine& line : all) {
    if (line.kind == "removal") removed.insert(line.object);
  }
  std::erase_if(
      all, [&](const JournalLine& line) { return line.kind != "snapshot" || removed.contains(line.object); });
  return all;
}

bool SnapshotLog::has_line(const std::string& kind, const std::string& snapshot_id) const {
  const std::vector<JournalLine> all = journal().lines();
  return std::any_of(all.begin(), all.end(), [&](const JournalLine& line) {
    return line.kind == kind && line.object == snapshot_id;
  });
}

bool SnapshotLog::was_removed(const std::string& snapshot_id) const {
  return has_line("removal", snapshot_id);
}

bool SnapshotLog::was_made(const std::string& snapshot_id) const { return has_line("snapshot", snapshot_id); }

SnapshotRecord SnapshotLog::load(const JournalLine& line) const {
  const std::string name = object_name(line.number);
  const std::string path = storage_->shown(name);
  const std::optional<std::string> text = storage_->get(name, kMaxSnapshotBytes);
  if (!text) throw Error(Kind::Corrupt, "snapshot " + line.object + ": " + quoted(path) + " is missing");
  if (Sha256::of(*text).hex() != line.object)
    throw Error(Kind::Corrupt, quoted(path) + " is not what the journal recorded");
  try {
    return parse_snapshot(*text);
  } catch (const Error& error) {
    throw Error(Kind::Corrupt, quoted(path) + ": " + error.what());
  }
}

std::optional<SnapshotRecord> SnapshotLog::load_unless_removed(const JournalLine& line) const {
  try {
    return load(line);
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
    for (const JournalLine& now : live_lines()) {
      if (now.number == line.number) throw;
    }
    return std::nullopt;
  }
}

std::vector<SnapshotRecord> SnapshotLog::all(const Damaged& damaged) const {
  const auto tolerant = [&](const std::function<void()>& step) {
    try {
      step();
    } catch (const Error& error) {
      if (!damaged || (error.kind() != Kind::Corrupt && !is_media_error(error))) throw;
      damaged((is_media_error(error) ? std::string(kCannotRead) : "") + error.what());
    }
  };
  std::vector<SnapshotRecord> out;
  std::vector<JournalLine> lines;
  tolerant([&] { lines = live_lines(); });
  for (const JournalLine& line : lines)
    tolerant([&] {
      if (std::optional<SnapshotRecord> record = load_unless_removed(line)) out.push_back(*std::move(record));
    });
  return out;
}

std::optional<SnapshotRecord> SnapshotLog::newest(const std::string& module, const std::string& method,
                                                  const std::string& name) const {
  const std::string source = source_of(module, method, name);
  std::optional<SnapshotRecord> found;
  std::set<std::string> removed;  // a removal stands behind what it removes
  journal().backwards([&](const JournalLine& line) {
    if (line.kind == "removal") removed.insert(line.object);
    if (line.kind != "snapshot" || line.source != source || removed.contains(line.object)) return true;
    try {
      found = load(line);
    } catch (const Error& error) {
      // It was removed meanwhile; or what a check names, which must not end the source's backups.
      if (error.kind() != Kind::Corrupt && !is_media_error(error)) throw;
    }
    return !found;
  });
  return found;
}

void SnapshotLog::append_line(const SnapshotJournal::End& end, const std::string& kind,
                              const std::string& object, const std::string& source) {
  journal().append(end, kind, object, source);
  if (end.count == 0) sync_directory(folder_);
  crash_point("store.snapshot-entry");
}

void SnapshotLog::reject(const std::string& name, const std::string& text) {
  (void)storage_->put(name + ".rejected", text);  // false: an earlier try was killed before the next step
  storage_->remove(name);
}

std::optional<JournalLine> SnapshotLog::stated_line(Storage& storage, const SnapshotJournal::End& end) const {
  for (const std::string& kind : kObjectKinds) {
    const std::optional<std::string> text = storage.get(object_name(end.count + 1, kind), kMaxSnapshotBytes);
    if (!text) continue;
    try {
      const Adopted next = read_object(store_.domain.get(), kind, *text);
      if (next.client == client_ && next.previous == shown_previous(end))
        return SnapshotJournal::following(end, kind == "gone" ? "snapshot" : kind, next.snapshot,
                                          next.source);
    } catch (const Error& error) {
      if (error.kind() != Kind::Protocol) throw;
    }
  }
  return std::nullopt;
}

// The object one past the journal's end, whatever its kind.
bool SnapshotLog::adopt_next() {
  const SnapshotJournal::End end = journal().end();
  if (const std::optional<JournalLine> line = stated_line(*storage_, end)) {
    append_line(end, line->kind, line->object, line->source);
    return true;
  }
  for (const std::string& kind : kObjectKinds) {
    const std::string name = object_name(end.count + 1, kind);
    const std::optional<std::string> text = storage_->get(name, kMaxSnapshotBytes);
    if (!text) continue;
    // Behind another client's journal, or a damaged one, good objects do not fit either.
    (void)journal().lines();
    reject(name, *text);
    return false;
  }
  return false;
}

bool SnapshotLog::has_objects_behind(std::uint64_t number) const {
  bool found = false;
  for_each_object(*storage_, objects_, [&](const ListedObject& object) {
    const std::string name = object.name.substr(objects_.size());
    const bool numbered = name.size() > 20 && name[20] == '.' && name.find_first_not_of("0123456789") == 20 &&
                          !name.ends_with(".rejected");
    found = numbered && name.substr(0, 20) > twenty_digits(number);
    return !found;
  });
  return found;
}

void SnapshotLog::repair_locked() {
  journal().cut_torn_end();
  while (adopt_next()) {
  }
}

// A few looks at names and sizes, no reading: opening a store stays cheap however long the journals are.
bool SnapshotLog::needs_repair() const {
  if (!is_directory(folder_)) return false;
  const SnapshotJournal::Size size = journal().size();
  if (size.torn) return true;
  for (const std::string& kind : kObjectKinds) {
    if (storage_->exists(object_name(size.lines + 1, kind))) return true;
  }
  return false;
}

void SnapshotLog::repair() {
  if (!needs_repair()) return;
  const FileLock lock = FileLock::exclusive(folder_ + "/lock");
  repair_locked();
}

// Back to the newest record that can be read: a damaged one must not end the source's backups.
SnapshotLog::Predecessor SnapshotLog::predecessor(const std::string& source) const {
  Predecessor out;
  journal().backwards([&](const JournalLine& line) {
    if (line.kind != "snapshot" || line.source != source) return true;
    ++out.sequence;
    try {
      const SnapshotRecord record = load(line);
      out.sequence += record.sequence - 1;
      out.began = record.began;
      return false;
    } catch (const Error& error) {
      if (error.kind() != Kind::Corrupt && !is_media_error(error)) throw;
      return true;
    }
  });
  return out;
}

SnapshotRecord SnapshotLog::append(SnapshotRecord record) {
  BK_CHECK(record.client == client_ && record.sequence == 0 && record.previous.empty());
  ensure_directory(folder_);
  const FileLock lock = FileLock::exclusive(folder_ + "/lock");
  repair_locked();
  const SnapshotJournal::End end = journal().end();
  if (end.count == 0 && has_objects_behind(0))
    throw Error(Kind::Corrupt, quoted(folder_ + "/journal") +
                                   " is lost, and there are snapshots; `bkdb heal` makes it anew");
  const std::string source = source_of(record.module, record.method, record.name);
  const Predecessor before = predecessor(source);
  record.sequence = before.sequence + 1;
  if (before.began && record.began <= *before.began)
    record.began = before.began->plus(std::chrono::nanoseconds(1));
  record.ended = std::max(record.ended, record.began);
  record.previous = shown_previous(end);
  const std::string text = write_snapshot(record);
  if (text.size() > kMaxSnapshotBytes) throw Error(Kind::Protocol, "the snapshot's record is too long");
  record.id = Sha256::of(text).hex();
  const std::string name = object_name(end.count + 1);
  if (!storage_->put(name, text))
    throw Error(Kind::Corrupt,
                quoted(storage_->shown(name)) + " exists although the journal does not know it");
  crash_point("store.snapshot-object");
  append_line(end, "snapshot", record.id, source);
  return record;
}

// Names of the objects that these lines may have.
std::set<std::string> SnapshotLog::expected_objects(const std::vector<JournalLine>& lines) const {
  std::set<std::string> out, removed;
  for (const JournalLine& line : lines) {
    if (line.kind == "removal") removed.insert(line.object);
  }
  for (const JournalLine& line : lines) {
    out.insert(object_name(line.number, line.kind));
    if (removed.contains(line.object)) out.insert(object_name(line.number, "gone"));
  }
  // A commit that is at work, or was killed, before its line.
  for (const std::string& kind : kObjectKinds) out.insert(object_name(lines.size() + 1, kind));
  return out;
}

// Adds what objects behind the journal's end say of their own lines: several marks are all objects before
// they are lines.
void SnapshotLog::follow(std::vector<JournalLine>& lines) const {
  for (;;) {
    const SnapshotJournal::End end{lines.size(), lines.empty() ? first_hash() : lines.back().hash};
    std::optional<JournalLine> next = stated_line(*storage_, end);
    if (!next) return;
    lines.push_back(*std::move(next));
  }
}

void SnapshotLog::check(const std::function<void(const PackProblem&)>& report) const {
  std::vector<JournalLine> known;
  std::vector<std::string> strays;
  try {
    known = journal().lines();
    const std::set<std::string> expected = expected_objects(known);
    for_each_object(*storage_, objects_, [&](const ListedObject& object) {
      const std::string name = object.name.substr(objects_.size());
      const bool file = name == "journal" || name == "lock" || CheckpointFolder::is_name(name);
      if (!file && !expected.contains(object.name)) strays.push_back(object.name);
      return true;
    });
    // What came since the journal was read has its line by now.
    if (!strays.empty()) {
      std::vector<JournalLine> now = journal().lines();
      follow(now);
      const std::set<std::string> named = expected_objects(now);
      std::erase_if(strays, [&](const std::string& name) { return named.contains(name); });
    }
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt && error.kind() != Kind::Io) throw;
    report({error.what(), error.kind() == Kind::Io});
    return;
  }
  std::set<std::string> removed;
  for (const JournalLine& line : known) {
    if (line.kind == "removal") removed.insert(line.object);
  }
  for (const JournalLine& line : known) {
    try {
      if (line.kind != "snapshot")
        (void)load_mark(line);
      else if (!removed.contains(line.object))
        (void)load_unless_removed(line);
      else if (!storage_->exists(object_name(line.number)))
        (void)load_mark(line, MarkKind::Gone);
    } catch (const Error& error) {
      report({error.what(), error.kind() == Kind::Io});
    }
  }
  for (const std::string& name : strays)
    report({quoted(storage_->shown(name)) + " is not in the journal", false});
}

}  // namespace bk::store
