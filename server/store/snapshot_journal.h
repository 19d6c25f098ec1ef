// The journal of one client's snapshots: lines of one fixed width, each with the hash of all before it
// (docs/formats/snapshot.md).
//
// What it costs to append or to look at the newest lines does not grow with the journal.  Readers need no
// lock; whoever appends or cuts holds the client's.  Errors: Io, Corrupt.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bk::store {

struct JournalLine {
  std::uint64_t number = 0;  // from 1
  std::string kind;          // "snapshot", "removal", "hold" or "release"
  std::string object;        // 64 hex: the snapshot's id
  std::string source;        // 32 hex: of client, module, method, name
  std::string hash;          // 64 hex: over the previous hash and this line
};

class SnapshotJournal {
 public:
  // `first_hash` stands before the first line.
  SnapshotJournal(std::string path, std::string first_hash);

  // All lines, oldest first, the whole chain verified.  A line that is not whole at the end is left out.
  [[nodiscard]] std::vector<JournalLine> lines() const;
  // The newest line first, until `visit` returns false; only what is visited is read and verified.
  void backwards(const std::function<bool(const JournalLine&)>& visit) const;
  struct End {
    std::uint64_t count = 0;  // of whole lines
    std::string hash;         // of the last; the first hash when there is none
  };
  [[nodiscard]] End end() const;
  // The line behind `end` when it stands here whole and continues the chain, whatever else is damaged.
  [[nodiscard]] std::optional<JournalLine> line_after(const End& end) const;

  // The line that would follow `end`: its number, kind, object and source, and the hash that it gets.
  [[nodiscard]] static JournalLine following(const End& end, std::string kind, std::string object,
                                             std::string source);
  // Appends lines that follow each other, the first of them following the journal's end; one sync.  Durable
  // on return, but for the directory entry of a journal that is new.
  void append(std::span<const JournalLine> lines) const;
  // One line behind `end`.
  void append(const End& end, const std::string& kind, const std::string& object,
              const std::string& source) const;
  // Cuts what a crash left of a line.
  void cut_torn_end() const;
  // By size alone: how many whole lines, and whether more or less than that stands there.
  struct Size {
    std::uint64_t lines = 0;
    bool torn = false;
    bool exists = false;
  };
  [[nodiscard]] Size size() const;

 private:
  [[nodiscard]] JournalLine parse(std::string_view row, std::uint64_t number,
                                  const std::string& previous) const;
  [[nodiscard]] std::string rows(std::uint64_t first, std::uint64_t count) const;
  [[noreturn]] void corrupt(std::uint64_t number, const std::string& why) const;
  void check_first_line() const;

  std::string path_, first_hash_;
};

}  // namespace bk::store
