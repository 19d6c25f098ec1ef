// files, cat, find: looking into snapshots.
#include "common/error/error.h"
#include "common/text/escape.h"
#include "server/bkdb/commands.h"
#include "server/bkdb/content.h"
#include "server/bkdb/damage.h"
#include "server/bkdb/json.h"
#include "server/bkdb/walk.h"

#include <fmt/format.h>
#include <fnmatch.h>

namespace bk::bkdb {
namespace {

struct One {
  std::size_t index = 0;
  const Source* source = nullptr;
  const store::SnapshotRecord* snapshot = nullptr;
  Words rest;  // what stands behind index and range
};

// IDX [range] …: one source, and the first snapshot in the range's order; without a range the newest.
One select_one(Session& session, const Words& words, const std::string& usage) {
  if (words.empty()) throw Error(Kind::Usage, "usage: " + usage);
  const bool ranged = words.size() > 1 && is_time_range(words[1]);
  const Words choice(words.begin(), words.begin() + (ranged ? 2 : 1));
  if (is_time_range(words[0])) throw Error(Kind::Usage, "the source's number comes first; usage: " + usage);
  const std::vector<Selected> selected = session.select_some(choice, Session::Default::Newest);
  if (selected.size() != 1) throw Error(Kind::Usage, "give the number of one source; usage: " + usage);
  One one;
  one.index = selected[0].source;
  one.source = &session.sources()[one.index];
  one.snapshot = &one.source->snapshots[selected[0].snapshots[0]];
  one.rest.assign(words.begin() + static_cast<std::ptrdiff_t>(choice.size()), words.end());
  return one;
}

std::string require_part(const std::string& word, const Source& source) {
  const std::optional<std::string> part = part_of(word, source.name);
  if (!part)
    throw Error(Kind::Usage,
                quoted(word) + " is not below " + quoted(source.name) + "; give a path relative to it");
  return *part;
}

std::string mode_text(const Entry& entry) {
  std::string out = std::string(1, entry.type == EntryType::File ? '-' : static_cast<char>(entry.type));
  for (int shift = 6; shift >= 0; shift -= 3) {
    const std::uint32_t bits = entry.mode >> static_cast<unsigned>(shift);
    out += (bits & 4U) != 0 ? 'r' : '-';
    out += (bits & 2U) != 0 ? 'w' : '-';
    out += (bits & 1U) != 0 ? 'x' : '-';
  }
  if ((entry.mode & 04000U) != 0) out[3] = out[3] == 'x' ? 's' : 'S';
  if ((entry.mode & 02000U) != 0) out[6] = out[6] == 'x' ? 's' : 'S';
  if ((entry.mode & 01000U) != 0) out[9] = out[9] == 'x' ? 't' : 'T';
  return out;
}

std::string list_line(const std::string& path, const Entry& entry, Zone zone) {
  const bool device = entry.type == EntryType::CharDevice || entry.type == EntryType::BlockDevice;
  const std::string size =
      device ? fmt::format("{},{}", entry.rdev_major, entry.rdev_minor) : std::to_string(entry.size);
  std::string out = fmt::format("{} {:>5} {:>5} {:>12} {} {}", mode_text(entry), entry.uid, entry.gid, size,
                                shown_time(entry.mtime, zone), shown_path(path.empty() ? "." : path));
  if (entry.type == EntryType::Symlink) out += " -> " + shown_path(entry.target);
  if (entry.unreadable) out += "  (could not be read)";
  if (entry.changed_while_read) out += "  (changed while read)";
  return out + "\n";
}

class Lister : public Visitor {
 public:
  Lister(Session& session, const One& one) : session_(session), one_(one) {}
  bool enter(const std::string& path, const Entry& directory) override {
    show(path, directory);
    return true;
  }
  void leave(const std::string&, const Entry&) override {}
  void entry(const std::string& path, const Entry& entry) override { show(path, entry); }
  void damaged(const std::string& path, const Error& error) override { findings_.damage(path, error.what()); }
  [[nodiscard]] int status() const { return findings_.status(); }

 protected:
  virtual void show(const std::string& path, const Entry& entry) {
    if (session_.json())
      print(entry_json(*one_.source, one_.index, *one_.snapshot, path, entry));
    else
      print(list_line(path, entry, session_.zone()));
  }
  Session& session_;
  const One& one_;
  Findings findings_;
};

// Below PATH only: the folders on the way are not listed.
class PartLister final : public Lister {
 public:
  PartLister(Session& session, const One& one, std::string part)
      : Lister(session, one), part_(std::move(part)) {}

 private:
  void show(const std::string& path, const Entry& entry) override {
    if (part_.empty() || path == part_ || path.starts_with(part_ + "/")) Lister::show(path, entry);
  }
  std::string part_;
};

class Finder final : public Lister {
 public:
  Finder(Session& session, const One& one, const std::string& pattern)
      : Lister(session, one), pattern_(pattern), whole_(pattern.find('/') != std::string::npos) {}
  [[nodiscard]] std::uint64_t found() const { return found_; }

 private:
  void show(const std::string& path, const Entry& entry) override {
    const std::string full = one_.source->name + (path.empty() || one_.source->name == "/" ? "" : "/") + path;
    const std::string& name = whole_ || path.empty() ? full : entry.name;
    const std::string base = full.substr(full.rfind('/') + 1);
    if (::fnmatch(pattern_.c_str(),
                  whole_         ? full.c_str()
                  : path.empty() ? base.c_str()
                                 : name.c_str(),
                  0) != 0)
      return;
    ++found_;
    if (session_.json()) return Lister::show(path, entry);
    print(fmt::format("[{}] {} {}\n", one_.index, shown_time(one_.snapshot->began, session_.zone()),
                      shown_path(full)));
  }
  const std::string& pattern_;
  bool whole_;
  std::uint64_t found_ = 0;
};

}  // namespace

int run_files(Session& session, const Words& words) {
  const One one = select_one(session, words, "bkdb files data_idx [datetime_range] [PATH]");
  if (one.rest.size() > 1)
    throw Error(Kind::Usage, "too many words; usage: bkdb files data_idx [datetime_range] [PATH]");
  const std::string part = one.rest.empty() ? "" : require_part(one.rest[0], *one.source);
  PartLister lister(session, one, part);
  if (!walk(session.store(), one.snapshot->root, {part}, lister).empty())
    throw Error(Kind::NotFound, "no " + quoted(part) + " in the snapshot of " +
                                    shown_time(one.snapshot->began, session.zone()));
  return lister.status();
}

int run_cat(Session& session, const Words& words) {
  const One one = select_one(session, words, "bkdb cat data_idx [datetime_range] PATH");
  if (one.rest.size() != 1)
    throw Error(Kind::Usage, "give one path; usage: bkdb cat data_idx [datetime_range] PATH");
  const std::string part = require_part(one.rest[0], *one.source);
  const std::optional<Entry> entry = find_entry(session.store(), one.snapshot->root, part);
  if (!entry)
    throw Error(Kind::NotFound, "no " + quoted(part) + " in the snapshot of " +
                                    shown_time(one.snapshot->began, session.zone()));
  if (entry->type != EntryType::File)
    throw Error(Kind::Usage, quoted(part) + " is not a regular file; try \"files\" or \"export\"");
  if (entry->unreadable)
    throw Error(Kind::NotFound, quoted(part) + " could not be read when it was backed up");
  try {
    (void)stream_content(
        session.store(), *entry, [](std::string_view bytes) { print(bytes); }, true);
  } catch (Error& error) {
    error.add_context(quoted(part) + " of snapshot " + one.snapshot->id.substr(0, 12));
    throw;
  }
  if (!entry->changed_while_read) return kExitDone;
  warn(quoted(part) + " changed while it was read: its content may mix versions");
  return kExitPartial;
}

int run_find(Session& session, const Words& words) {
  if (words.empty()) throw Error(Kind::Usage, "usage: bkdb find PATTERN [data_idx] [datetime_range]");
  const Words choice(words.begin() + 1, words.end());
  std::uint64_t found = 0;
  int status = kExitDone;
  for (const Selected& selected : session.select_some(choice, Session::Default::Newest))
    for (const std::size_t at : selected.snapshots) {
      const Source& source = session.sources()[selected.source];
      const One one{selected.source, &source, &source.snapshots[at], {}};
      Finder finder(session, one, words[0]);
      (void)walk(session.store(), one.snapshot->root, {}, finder);
      found += finder.found();
      status = std::max(status, finder.status());
    }
  if (found == 0 && status == kExitDone) throw Error(Kind::NotFound, "nothing matches " + quoted(words[0]));
  return status;
}

}  // namespace bk::bkdb
