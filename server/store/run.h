// Immutable sorted files of records: a key, and in the index where its chunk lies, in counts (counts.h) a
// number.  The index, the possession of a client and its counts are sets of them (docs/formats/store.md,
// "Index").  All of it can be rebuilt.
//
//   header (64) | records, sorted | fences | filter | packs | SHA-256
//
// The first bits of a key follow from the record's place: fences say where the keys with each prefix begin,
// so a record holds only what is left of its key and its location, packed to the bit: about 20 bytes of 30.
// The filter (Bloom's, in blocks of one cache line; Putze, Sanders, Singler, "Cache-, Hash- and
// Space-Efficient Bloom Filters", 2007) answers nine of ten look-ups for keys that are not there.  Fences,
// filter and records are all in the order of the keys, so sorted look-ups walk through each of them once.
//
// Small runs are held in memory, large ones read by calls, so that what a process holds does not grow with
// the store: the kernel keeps what it has room for.  None is mapped: a bad sector would end the process.
#pragma once

#include "common/error/error.h"
#include "common/io/fd.h"
#include "server/store/location.h"
#include "server/store/record.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace bk::store {

__extension__ using Wide = unsigned __int128;  // a key as a number that sorts as its bytes do
[[nodiscard]] Wide wide_of(const Key& key);
[[nodiscard]] Key key_of(Wide value);

// What records have beside their key: nothing, a location, a number (in the place of an offset, with 1 as
// position when it is negative).
enum class RunKind : std::uint8_t { Keys = 0, Located = 1, Counted = 2 };

// A pack or journal whose records below `upto` are in the index.  A finished pack is covered to kWholePack.
struct Coverage {
  std::uint64_t pack = 0, upto = 0;
};
inline constexpr std::uint64_t kWholePack = UINT64_MAX;
// Stands in a run without records: the pack was removed, and what other runs say of it counts no longer.
inline constexpr std::uint64_t kRemovedPack = UINT64_MAX - 1;

// A location as a run stores it: the pack by its place in the run's list.
struct Slot {
  std::uint32_t slot = 0, offset = 0;
  std::uint16_t position = 0;
  ObjectKind kind = ObjectKind::Data;
  auto operator<=>(const Slot&) const = default;
};

// How many bits each part of a record takes.
struct RunShape {
  RunKind kind = RunKind::Keys;
  std::uint8_t prefix = 0;  // of the key, not stored
  std::uint8_t slot = 0, offset = 0, position = 0;
  [[nodiscard]] unsigned key_bits() const { return 128U - prefix; }
  [[nodiscard]] unsigned location_bits() const {
    return kind == RunKind::Keys ? 0U : slot + offset + position + 2U;
  }
  [[nodiscard]] std::uint32_t record_bytes() const { return (key_bits() + location_bits() + 7) / 8; }
  [[nodiscard]] std::uint64_t fences() const { return (std::uint64_t{1} << prefix) + 1; }
  // Makes room for what `other` can hold, but for its slots.
  void widen(const RunShape& other);
  void widen(const Slot& slot);
};

// A run of which the disk did not give back what a look-up needed.  Of kind Io; it may well be readable
// elsewhere, and all that it says can be made anew.
class UnreadableRun final : public Error {
 public:
  explicit UnreadableRun(const Error& error) : Error(error) {}
};
// Called with the path of such a run, once for each.  The answer goes into the message, behind the path.
using RunGivenUp = std::function<std::string(const std::string& path)>;

class Run {
 public:
  // Reads the header.  Throws Corrupt when the file is not a run of this store and kind, its length is
  // wrong, or the disk does not give it back: a run can be made anew.
  Run(const std::string& path, const StoreId& store, RunKind kind, RunGivenUp given_up = {});
  [[nodiscard]] std::uint64_t size() const { return count_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }  // of the file
  [[nodiscard]] const RunShape& shape() const { return shape_; }
  // Whether the whole file is held in memory (at first it is not), from the first look on.
  void hold_in_memory(bool hold);
  // Whether the kernel should keep records that were read, though there may be no room for all: when not, the
  // room is left to filters and fences.
  void keep_cached(bool keep) { keep_cached_ = keep; }

  using Range = std::pair<std::uint64_t, std::uint64_t>;  // of records, half-open
  // The records that have this key.
  [[nodiscard]] Range find(const Key& key) const;
  // The same in two steps, for many keys: where it would stand, empty when it certainly is not there; and,
  // when told so in time, read ahead.
  [[nodiscard]] Range bucket(const Key& key) const;
  void prefetch(const Range& records) const;
  [[nodiscard]] Range find_in(const Range& bucket, const Key& key) const;
  [[nodiscard]] Location location(std::uint64_t i) const;
  [[nodiscard]] Slot slot(std::uint64_t i) const { return slot_at(stretch(i, 1)); }

  // Packs that this run covers, by number; a located record names one by its slot.
  [[nodiscard]] std::uint64_t pack_count() const { return packs_; }
  [[nodiscard]] Coverage coverage(std::uint64_t slot) const;      // throws Corrupt
  [[nodiscard]] std::uint64_t covered(std::uint64_t pack) const;  // up to where; 0 for an unknown one
  [[nodiscard]] bool is_about_removed_packs() const {
    return count_ == 0 && pack_count() > 0 && coverage(0).upto == kRemovedPack;
  }
  [[nodiscard]] const std::string& path() const { return path_; }
  // Reads the whole file and compares its digest.
  [[nodiscard]] bool intact() const;
  [[nodiscard]] std::string digest() const;  // the one it states, in hex

 private:
  friend class RunCursor;
  [[nodiscard]] std::size_t read_up_to(std::uint64_t offset, void* into, std::size_t bytes) const;
  void load(std::uint64_t first, std::uint64_t count) const;
  void let_go(std::uint64_t first, std::uint64_t count) const;
  [[nodiscard]] const char* whole() const;
  [[nodiscard]] const char* stretch(std::uint64_t first, std::uint64_t count) const;
  void read(std::uint64_t offset, void* into, std::size_t bytes) const;
  void will_read(std::uint64_t offset, std::uint64_t bytes) const;
  [[nodiscard]] bool filter_passes(Wide key) const;
  [[nodiscard]] std::uint64_t first_not_before(const Range& range, Wide wanted) const;
  void warm_up() const;
  [[nodiscard]] std::uint64_t fence(std::uint64_t prefix) const;
  [[nodiscard]] Wide key_at(const char* record) const;  // without its prefix
  [[nodiscard]] Slot slot_at(const char* record) const;
  std::string path_;
  RunGivenUp given_up_;
  mutable std::optional<std::string> advice_;  // what given_up_ said
  Fd fd_;
  bool in_memory_ = false, keep_cached_ = true;
  mutable std::string whole_;  // when it is in memory, and was looked at
  RunShape shape_;
  std::uint32_t record_bytes_ = 0;
  std::uint64_t count_ = 0, filter_blocks_ = 0;
  std::uint64_t packs_ = 0, bytes_ = 0;
  std::uint64_t fences_at_ = 0, filter_at_ = 0, packs_at_ = 0;  // in the file
  mutable std::uint64_t asked_ = 0;                             // since it was opened
  // Records that were read last, when not from memory.
  mutable std::string window_;
  mutable std::uint64_t window_first_ = 0, window_count_ = 0;
};

// Goes through all records in order; memory is constant.
class RunCursor {
 public:
  explicit RunCursor(const Run& run) : run_(&run) {}
  [[nodiscard]] bool next();  // false behind the last
  [[nodiscard]] const Key& key() const { return key_; }
  [[nodiscard]] const Slot& slot() const { return slot_; }
  [[nodiscard]] Location location() const;

 private:
  const Run* run_;
  std::uint64_t at_ = 0, prefix_ = 0, bucket_end_ = 0;
  std::string window_;
  std::uint64_t window_first_ = 0, window_count_ = 0;
  Key key_;
  Slot slot_;
};

// Shared by reader and writer.
inline constexpr std::string_view kRunMagic = "BKRUN002";
inline constexpr std::size_t kRunHeaderBytes = 64;
inline constexpr std::size_t kFilterBlock = 64;        // bytes
inline constexpr std::uint64_t kFilterBitsPerKey = 5;  // with three probes 10 % of the absent keys pass
inline constexpr unsigned kMaxPrefixBits = 28;
[[nodiscard]] std::uint64_t filter_block_of(Wide key, std::uint64_t blocks);
inline constexpr std::string_view kRunKinds = "DLT";  // as two bits
// Calls probe(bit) for each bit that the key sets in its block.
template <class Probe>
void filter_bits(Wide key, const Probe& probe) {
  for (unsigned i = 0; i < 3; ++i) probe(static_cast<unsigned>(key >> (9 * i)) & 511U);
}

}  // namespace bk::store
