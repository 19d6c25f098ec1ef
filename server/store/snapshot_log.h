// The snapshots of one client: objects and a hash-chained journal (docs/formats/snapshot.md).
//
//   snapshots/<client>/journal                         one fixed-width line per entry
//   snapshots/<client>/<20 digits of the line>.snapshot   the record that the line names
//   snapshots/<client>/<20 digits of the line>.removal    (.hold, .release) what was decided about one
//
// A line is written after its object is durable.  So an object one past the journal's end is a commit that
// was interrupted between the two: it is complete, everything it names is durable, and it continues the chain
// by its own `previous` key; the next opening appends its line.  An object there which does not continue the
// chain is set aside as *.rejected.
#pragma once

#include "common/io/lock.h"
#include "server/store/layout.h"
#include "server/store/snapshot.h"
#include "server/store/snapshot_journal.h"
#include "server/store/snapshot_mark.h"

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bk::store {

class SnapshotLog {
 public:
  using Damaged = std::function<void(const std::string& problem)>;
  SnapshotLog(const Layout& layout, const StoreId& store, std::string client);
  // All snapshots that were not removed, in journal order.  Throws Corrupt naming the file.
  // With `damaged`: goes on without what cannot be read, and tells it there.
  [[nodiscard]] std::vector<SnapshotRecord> all(const Damaged& damaged = {}) const;
  // The newest one of a source whose record can be read.
  [[nodiscard]] std::optional<SnapshotRecord> newest(const std::string& module, const std::string& method,
                                                     const std::string& name) const;
  // Sets sequence, began, previous and id; durable on return (object, then line).  Throws Io, Corrupt.
  [[nodiscard]] SnapshotRecord append(SnapshotRecord record);
  // Decides the same about each of these snapshots (their ids): objects, then lines, durable on return.  All
  // or none is decided when nothing fails on the way; a crash may leave the first ones decided.  Throws
  // NotFound for one that is not there (any more), Refused for the removal of one that is held.
  void mark(const MarkTemplate& what, std::span<const std::string> ids);
  // The hold in force of each snapshot that is held, by the snapshot's id.
  [[nodiscard]] std::map<std::string, SnapshotMark> holds() const;
  // Where the first `line` lines end.  Throws Corrupt: so many are not there.
  [[nodiscard]] std::string hash_at(std::uint64_t line) const;
  // A snapshot leads at a line when it stands in the journal up to there and its removal does not.
  [[nodiscard]] std::vector<SnapshotRecord> leading(std::uint64_t line) const;  // throws Corrupt
  // Those that stand behind line `from`, up to line `to`; and those whose removal does.  Throws Corrupt.
  [[nodiscard]] std::vector<SnapshotRecord> made(std::uint64_t from, std::uint64_t to = UINT64_MAX) const;
  [[nodiscard]] std::vector<SnapshotRecord> removed(std::uint64_t from, std::uint64_t to) const;
  [[nodiscard]] std::uint64_t line_count() const { return journal().size().lines; }
  // Whether the journal says that this snapshot was removed.  Throws Corrupt.
  [[nodiscard]] bool was_removed(const std::string& snapshot_id) const;
  [[nodiscard]] bool was_made(const std::string& snapshot_id) const;  // also when it was removed since
  // Whether records of snapshots are still there whose removal stands within the first `seen` lines.
  [[nodiscard]] bool has_removed_records(std::uint64_t seen = UINT64_MAX) const;
  // Puts a few lines in the place of each such record.
  void forget_removed(std::uint64_t seen = UINT64_MAX);
  // Cuts a torn line and takes up an interrupted commit.  Waits for whoever is at work on the same: without
  // that commit the caller would take an answered request for an open one.
  void repair();
  // Whether there is something to be done by repair().  Throws Corrupt, Io: it cannot be read.
  [[nodiscard]] bool needs_repair() const;
  // Every line's hash, every object's digest; one line of text per problem.
  void check(const std::function<void(const PackProblem&)>& report) const;
  // Makes the journal whole from its own lines, the objects and the other copy (a storage and the folder
  // where its journal lies; null: there is none), and the objects from the other copy; marks without one are
  // made anew from the journal.  Whole new files take the place of damaged ones.
  struct Copy {
    Storage* storage = nullptr;
    std::string folder;
  };
  void heal(const Layout& layout, const Copy& copy, const HealReport& report);

 private:
  [[nodiscard]] SnapshotJournal journal() const;
  [[nodiscard]] std::vector<JournalLine> live_lines() const;
  [[nodiscard]] bool has_line(const std::string& kind, const std::string& snapshot_id) const;
  [[nodiscard]] std::vector<SnapshotRecord> load_all(
      const std::vector<JournalLine>& lines, const std::function<bool(const JournalLine&)>& wanted) const;
  [[nodiscard]] SnapshotRecord load(const JournalLine& line) const;
  // Nothing when it was removed, and cleaned away, since its line was read.
  [[nodiscard]] std::optional<SnapshotRecord> load_unless_removed(const JournalLine& line) const;
  [[nodiscard]] SnapshotMark load_mark(const JournalLine& line) const;
  [[nodiscard]] SnapshotMark load_mark(const JournalLine& line, MarkKind kind) const;
  [[nodiscard]] std::string object_name(std::uint64_t number, std::string_view kind = "snapshot") const;
  [[nodiscard]] SnapshotMark mark_of(const JournalLine& line) const;
  [[nodiscard]] std::string first_hash() const;
  [[nodiscard]] std::set<std::string> expected_objects(const std::vector<JournalLine>& lines) const;
  void follow(std::vector<JournalLine>& lines) const;
  struct Predecessor {
    std::uint64_t sequence = 0;  // of the source's newest snapshot; 0 when there is none
    std::optional<Timestamp> began;
  };
  [[nodiscard]] Predecessor predecessor(const std::string& source) const;
  void repair_locked();
  // The line that an object behind `end` says of itself, when it continues the chain.
  [[nodiscard]] std::optional<JournalLine> stated_line(Storage& storage,
                                                       const SnapshotJournal::End& end) const;
  void heal_journal(const Copy& copy, const HealReport& report);
  void heal_object(const Layout& layout, const JournalLine& line, const std::string& before,
                   const std::vector<JournalLine>& all, const Copy& copy, const HealReport& report);
  [[nodiscard]] bool has_objects_behind(std::uint64_t number) const;
  [[nodiscard]] bool adopt_next();
  void reject(const std::string& name, const std::string& text);
  void append_line(const SnapshotJournal::End& end, const std::string& kind, const std::string& object,
                   const std::string& source);
  [[nodiscard]] std::string source_of(const std::string& module, const std::string& method,
                                      const std::string& name) const;

  std::shared_ptr<Storage> storage_;
  std::string objects_;  // what their names begin with
  std::string folder_, client_;
  StoreId store_;
};

// The clients that have snapshots here, sorted.
[[nodiscard]] std::vector<std::string> list_clients(const Layout& layout);

}  // namespace bk::store
