// The snapshots of one client: objects and a hash-chained journal (docs/formats/snapshot.md).
//
//   snapshots/<client>/journal                         one fixed-width line per entry
//   snapshots/<client>/<20 digits of the line>.snapshot   the record that the line names
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

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bk::store {

class SnapshotLog {
 public:
  SnapshotLog(const Layout& layout, const StoreId& store, std::string client);
  // All snapshots that were not removed, in journal order.  Throws Corrupt naming the file.
  [[nodiscard]] std::vector<SnapshotRecord> all() const;
  [[nodiscard]] std::optional<SnapshotRecord> newest(const std::string& module, const std::string& method,
                                                     const std::string& name) const;
  // Sets sequence, began, previous and id; durable on return (object, then line).  Throws Io, Corrupt.
  [[nodiscard]] SnapshotRecord append(SnapshotRecord record);
  // Cuts a torn line and takes up an interrupted commit.  Does nothing when somebody else holds the lock: the
  // holder does it.
  void repair();
  // Every line's hash, every object's digest; one line of text per problem.
  void check(const std::function<void(const std::string&)>& report) const;

 private:
  [[nodiscard]] SnapshotJournal journal() const;
  [[nodiscard]] std::vector<JournalLine> live_lines() const;
  [[nodiscard]] SnapshotRecord load(const JournalLine& line) const;
  [[nodiscard]] std::string object_name(std::uint64_t number) const;
  [[nodiscard]] std::string first_hash() const;
  [[nodiscard]] bool needs_repair() const;
  struct Predecessor {
    std::uint64_t sequence = 0;  // of the source's newest snapshot; 0 when there is none
    std::optional<Timestamp> began;
  };
  [[nodiscard]] Predecessor predecessor(const std::string& source) const;
  void repair_locked();
  [[nodiscard]] bool adopt_next();
  void append_line(const SnapshotJournal::End& end, const std::string& object, const std::string& source);
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
