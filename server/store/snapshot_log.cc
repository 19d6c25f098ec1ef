#include "server/store/snapshot_log.h"

#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/path/names.h"
#include "common/text/escape.h"
#include "common/text/number.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <set>

namespace bk::store {
namespace {

// number(20) kind(8, padded) object(64) source(32) hash(64), single spaces, newline
constexpr std::size_t kLineBytes = 20 + 1 + 8 + 1 + 64 + 1 + 32 + 1 + 64 + 1;
constexpr std::size_t kHashAt = kLineBytes - 65;
constexpr std::string_view kFirstLine = "bk-journal 1\n";
constexpr std::uint64_t kMaxJournalBytes = 1U << 30U;

std::string twenty_digits(std::uint64_t number) {
  std::string digits = std::to_string(number);
  return std::string(20 - digits.size(), '0') + digits;
}

std::string hash_of(const std::string& previous, std::string_view line) {
  return Sha256::of(previous + " " + std::string(line)).hex();  // the line up to its hash
}

}  // namespace

std::vector<std::string> list_clients(const Layout& layout) {
  std::vector<std::string> out;
  for (const std::string& name : list_directory(layout.snapshots())) {
    if (is_safe_name(name) && is_directory(layout.snapshots() + "/" + name)) out.push_back(name);
  }
  return out;
}

SnapshotLog::SnapshotLog(const Layout& layout, const StoreId& store, std::string client)
    : folder_(layout.snapshots() + "/" + client), client_(std::move(client)), store_(store) {}

std::string SnapshotLog::object_path(std::uint64_t number) const {
  return folder_ + "/" + twenty_digits(number) + ".snapshot";
}

// Another store's or client's journal does not chain here.
std::string SnapshotLog::first_hash() const {
  return Sha256::of("bk-journal 1 " +
                    hex_encode({reinterpret_cast<const char*>(store_.data()), store_.size()}) + " " + client_)
      .hex();
}

std::string SnapshotLog::source_of(const std::string& module, const std::string& method,
                                   const std::string& name) const {
  return Sha256::of(client_ + '\0' + module + '\0' + method + '\0' + name).hex().substr(0, 32);
}

std::vector<SnapshotLog::Line> SnapshotLog::lines() const {
  const std::string path = folder_ + "/journal";
  const std::optional<std::string> text = try_read_file(path, kMaxJournalBytes);
  std::vector<Line> out;
  if (!text || text->empty()) return out;
  const auto corrupt = [&](const std::string& why) -> Error {
    return Error(Kind::Corrupt, quoted(path) + " line " + std::to_string(out.size() + 2) + ": " + why);
  };
  if (text->size() >= kFirstLine.size() && !text->starts_with(kFirstLine))
    throw corrupt("not a snapshot journal");
  std::string previous = first_hash();
  for (std::size_t at = kFirstLine.size(); at + kLineBytes <= text->size(); at += kLineBytes) {
    const std::string row = text->substr(at, kLineBytes);
    Line line{out.size() + 1, row.substr(21, 8), row.substr(30, 64), row.substr(95, 32),
              row.substr(kHashAt, 64)};
    line.kind.erase(line.kind.find_last_not_of(' ') + 1);
    const bool whole = row.back() == '\n' && row.substr(0, 20) == twenty_digits(line.number);
    if (!whole || line.hash != hash_of(previous, std::string_view(row).substr(0, kHashAt)))
      throw corrupt("the chain of hashes is broken here");
    if (line.kind != "snapshot" && line.kind != "removal") throw corrupt("unknown kind of entry");
    previous = line.hash;
    out.push_back(std::move(line));
  }
  return out;
}

std::vector<SnapshotLog::Line> SnapshotLog::live_lines() const {
  std::vector<Line> all = lines();
  std::set<std::string> removed;
  for (const Line& line : all) {
    if (line.kind == "removal") removed.insert(line.object);
  }
  std::erase_if(all,
                [&](const Line& line) { return line.kind == "removal" || removed.contains(line.object); });
  return all;
}

SnapshotRecord SnapshotLog::load(const Line& line) const {
  const std::string path = object_path(line.number);
  const std::optional<std::string> text = try_read_file(path, kMaxSnapshotBytes);
  if (!text) throw Error(Kind::Corrupt, "snapshot " + line.object + ": " + quoted(path) + " is missing");
  if (Sha256::of(*text).hex() != line.object)
    throw Error(Kind::Corrupt, quoted(path) + " is not what the journal recorded");
  try {
    return parse_snapshot(*text);
  } catch (const Error& error) {
    throw Error(Kind::Corrupt, quoted(path) + ": " + error.what());
  }
}

std::vector<SnapshotRecord> SnapshotLog::all() const {
  std::vector<SnapshotRecord> out;
  for (const Line& line : live_lines()) out.push_back(load(line));
  return out;
}

std::optional<SnapshotRecord> SnapshotLog::newest(const std::string& module, const std::string& method,
                                                  const std::string& name) const {
  const std::string source = source_of(module, method, name);
  const std::vector<Line> live = live_lines();
  const auto found =
      std::find_if(live.rbegin(), live.rend(), [&](const Line& line) { return line.source == source; });
  if (found == live.rend()) return std::nullopt;
  return load(*found);
}

void SnapshotLog::append_line(std::uint64_t number, const std::string& kind, const std::string& object,
                              const std::string& source, const std::string& previous) {
  std::string row = twenty_digits(number) + " " + kind + std::string(8 - kind.size(), ' ') + " ";
  row += object + " " + source + " ";
  row += hash_of(previous, row) + "\n";
  const std::string path = folder_ + "/journal";
  const Fd fd = open_file(path, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
  if (number == 1) write_all(fd.get(), kFirstLine);
  const std::uint64_t at = kFirstLine.size() + (number - 1) * kLineBytes;
  check_sys(::lseek(fd.get(), static_cast<off_t>(at), SEEK_SET), [&] { return "writing " + quoted(path); });
  write_all(fd.get(), row);
  sync_file(fd.get());
  if (number == 1) sync_directory(folder_);
  crash_point("store.snapshot-entry");
}

bool SnapshotLog::adopt_next() {
  const std::vector<Line> known = lines();
  const std::uint64_t number = known.size() + 1;
  const std::string path = object_path(number);
  const std::optional<std::string> text = try_read_file(path, kMaxSnapshotBytes);
  if (!text) return false;
  const std::string previous = known.empty() ? "none" : known.back().hash;
  try {
    const SnapshotRecord record = parse_snapshot(*text);
    if (record.client == client_ && record.previous == previous) {
      append_line(number, "snapshot", record.id, source_of(record.module, record.method, record.name),
                  known.empty() ? first_hash() : previous);
      return true;
    }
  } catch (const Error& error) {
    if (error.kind() != Kind::Protocol) throw;
  }
  rename_durably(path, path + ".rejected");
  return false;
}

void SnapshotLog::repair_locked() {
  const std::string path = folder_ + "/journal";
  if (const std::optional<std::string> text = try_read_file(path, kMaxJournalBytes)) {
    const std::size_t body = text->size() < kFirstLine.size() ? 0 : text->size() - kFirstLine.size();
    const std::size_t torn = text->size() < kFirstLine.size() ? text->size() : body % kLineBytes;
    if (torn != 0) {
      check_sys(::truncate(path.c_str(), static_cast<off_t>(text->size() - torn)),
                [&] { return "cutting the torn end of " + quoted(path); });
    }
  }
  while (adopt_next()) {
  }
}

// Two looks at names and sizes, no reading: opening a store stays cheap however long the journals are.
bool SnapshotLog::needs_repair() const {
  struct stat info {};
  if (::stat((folder_ + "/journal").c_str(), &info) != 0) return path_exists(object_path(1));
  const auto size = static_cast<std::uint64_t>(info.st_size);
  if (size < kFirstLine.size() || (size - kFirstLine.size()) % kLineBytes != 0) return true;
  return path_exists(object_path((size - kFirstLine.size()) / kLineBytes + 1));
}

void SnapshotLog::repair() {
  if (!is_directory(folder_) || !needs_repair()) return;
  const std::optional<FileLock> lock = FileLock::try_exclusive(folder_ + "/lock");
  if (lock) repair_locked();
}

// Of the newest record of a source that can be read.
std::optional<Timestamp> SnapshotLog::newest_began(const std::vector<Line>& known,
                                                   const std::string& source) const {
  for (auto line = known.rbegin(); line != known.rend(); ++line) {
    if (line->kind != "snapshot" || line->source != source) continue;
    try {
      return load(*line).began;
    } catch (const Error& error) {
      if (error.kind() != Kind::Corrupt) throw;
    }
  }
  return std::nullopt;
}

SnapshotRecord SnapshotLog::append(SnapshotRecord record) {
  BK_CHECK(record.client == client_ && record.sequence == 0 && record.previous.empty());
  ensure_directory(folder_);
  const FileLock lock = FileLock::exclusive(folder_ + "/lock");
  repair_locked();
  const std::vector<Line> known = lines();
  const std::string source = source_of(record.module, record.method, record.name);
  // Counted and not read from the newest record: a damaged one must not end the source's backups.
  record.sequence =
      1 + static_cast<std::uint64_t>(std::count_if(known.begin(), known.end(), [&](const Line& line) {
        return line.kind == "snapshot" && line.source == source;
      }));
  const std::optional<Timestamp> before = newest_began(known, source);
  if (before && record.began <= *before) record.began = before->plus(std::chrono::nanoseconds(1));
  record.ended = std::max(record.ended, record.began);
  record.previous = known.empty() ? "none" : known.back().hash;
  const std::string text = write_snapshot(record);
  if (text.size() > kMaxSnapshotBytes) throw Error(Kind::Protocol, "the snapshot's record is too long");
  record.id = Sha256::of(text).hex();
  const std::uint64_t number = known.size() + 1;
  if (!create_durably(object_path(number), text))
    throw Error(Kind::Corrupt, quoted(object_path(number)) + " exists although the journal does not know it");
  crash_point("store.snapshot-object");
  append_line(number, "snapshot", record.id, source, known.empty() ? first_hash() : record.previous);
  return record;
}

void SnapshotLog::check(const std::function<void(const std::string&)>& report) const {
  std::vector<Line> known;
  try {
    known = lines();
  } catch (const Error& error) {
    report(error.what());
    return;
  }
  std::set<std::string> expected{"journal", "lock"};
  std::set<std::string> removed;
  for (const Line& line : known) {
    if (line.kind == "removal") removed.insert(line.object);
  }
  for (const Line& line : known) {
    if (line.kind == "removal" || removed.contains(line.object)) continue;
    expected.insert(base_name(object_path(line.number)));
    try {
      (void)load(line);
    } catch (const Error& error) {
      report(error.what());
    }
  }
  for (const std::string& name : list_directory(folder_)) {
    // A temporary file is what a killed writer left, and nothing that counts.
    if (!expected.contains(name) && name.find(".snapshot.tmp") == std::string::npos)
      report(quoted(folder_ + "/" + name) + " is not in the journal");
  }
}

}  // namespace bk::store
