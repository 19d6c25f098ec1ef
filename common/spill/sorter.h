// Sorts any number of byte records in bounded memory.
//
// Records are collected in a block of memory.  When that is full they are sorted and written as a run into a
// SpillFile; runs are merged in tiers, so that a merge never has more than 64 inputs, and in the end into one
// sorted run that can be read several times.  A set that fits into the memory never touches a disk.
#pragma once

#include "common/error/error.h"
#include "common/spill/spill_file.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bk {

inline constexpr std::size_t kMaxSortRecord = 65535;

// Sorted records, in memory or in a SpillFile.  Equal records stay, each.
class SortedRecords {
 public:
  SortedRecords() = default;
  [[nodiscard]] std::uint64_t size() const { return count_; }
  // The next record in the order of its bytes (as memcmp, the shorter first); valid until the next call of
  // anything here.  Throws Io.
  [[nodiscard]] std::optional<std::string_view> next();
  // As next(), without going on.
  [[nodiscard]] std::optional<std::string_view> peek();
  // From the beginning again.
  void rewind();
  [[nodiscard]] bool in_memory() const { return region_.bytes() == 0; }
  // What it occupies, the buffer of a run in a file included.
  [[nodiscard]] std::size_t memory_bytes() const;
  // Gives the buffer back until the next call of next(); costs a read then.  Nothing for records in memory.
  void drop_buffer();
  // Moves records that are in memory into the file.  Throws Io, and then they stay.
  void spill(const std::shared_ptr<SpillFile>& file);

 private:
  friend class Sorter;
  friend class RunWriter;
  struct Item {
    std::uint64_t prefix;  // the first eight bytes, the first one highest: most comparisons end here
    std::uint64_t offset : 48, length : 16;
  };
  void append(std::string_view record);
  void sort();
  void clear();
  [[nodiscard]] SortedRecords written_to(const std::shared_ptr<SpillFile>& file) const;
  [[nodiscard]] std::string_view view(const Item& item) const {
    return {arena_.data() + item.offset, item.length};
  }
  [[nodiscard]] bool fill(std::size_t needed);

  std::uint64_t count_ = 0, at_ = 0;
  std::string arena_;
  std::vector<Item> items_;
  SpillFile::Region region_;
  std::string buffer_;
  std::size_t buffer_at_ = 0;
  std::uint64_t region_at_ = 0;  // of the first byte behind buffer_
};

class Sorter {
 public:
  enum class WhenFull {
    Throw,        // no file can be made or written: throws Io
    KeepInMemory  // … go on in memory, beyond the budget; see spill_error()
  };
  // `memory_bytes` holds records and 16 bytes for each.  While runs are merged, up to 2 MiB more.
  Sorter(std::shared_ptr<SpillFile> file, std::size_t memory_bytes, WhenFull when_full = WhenFull::Throw);
  // At most kMaxSortRecord bytes.
  void add(std::string_view record);
  // What was added, sorted.  The sorter is empty then and can be used again.
  [[nodiscard]] SortedRecords finish();
  // Why records had to stay in memory beyond the budget; 0 when they had not.
  [[nodiscard]] int spill_error() const { return spill_error_; }

 private:
  using Tier = std::vector<SortedRecords>;
  void spill_block();
  void add_run(SortedRecords run, std::size_t tier);
  [[nodiscard]] SortedRecords merge(Tier& runs);
  void merge_some(Tier& runs);
  void take_back(SortedRecords& run);
  void note(const Error& error);

  std::shared_ptr<SpillFile> file_;
  std::size_t memory_bytes_;
  WhenFull when_full_;
  SortedRecords block_;
  std::vector<Tier> tiers_;
  int spill_error_ = 0;
};

}  // namespace bk
