// Immutable sorted files of fixed-size records: 16 bytes of key and a value.  The index and the possession of
// a client are sets of them (docs/formats/store.md, "Index").  Everything in them can be rebuilt.
//
//   header (64) | records, sorted | fences: u32 per prefix, one more | packs: u64 number, u64 covered |
//   SHA-256 of all that
//
// A look-up reads one fence pair and the records between, about 64: keys are digests, so they spread evenly,
// and where in that stretch a key stands is guessed from its value.  Small runs are read through a mapping,
// large ones by read calls, so that what a process holds does not grow with the store.
#pragma once

#include "common/io/fd.h"
#include "common/io/map.h"
#include "server/store/location.h"
#include "server/store/record.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace bk::store {

inline constexpr std::uint32_t kKeyOnlyBytes = 16;  // possession
inline constexpr std::uint32_t kLocatedBytes =
    28;  // index: key, u32 pack slot, u32 offset, u16 position, kind, 0

// A pack or journal whose records below `upto` are in the index.  A finished pack is covered to kWholePack.
struct Coverage {
  std::uint64_t pack = 0, upto = 0;
};
inline constexpr std::uint64_t kWholePack = UINT64_MAX;

class Run {
 public:
  // Throws Corrupt when the file is not a run of this store and record size, or its length is wrong.
  Run(const std::string& path, const StoreId& store, std::uint32_t record_bytes);
  [[nodiscard]] std::uint64_t size() const { return count_; }
  [[nodiscard]] std::uint64_t record_bytes() const { return records_.size(); }  // of all
  // Whether records are read through the mapping (at first they are not), whose pages count as this
  // process's.
  void use_mapping(bool use);
  // Valid until the next call of anything here.  In order it costs a read every few thousand.
  [[nodiscard]] std::string_view record(std::uint64_t i) const;
  // The half-open range of records that begin with `key`.
  [[nodiscard]] std::pair<std::uint64_t, std::uint64_t> find(const Key& key) const;
  // Packs that this run covers; a located record names one by its slot.
  [[nodiscard]] Coverage coverage(std::uint64_t slot) const;  // throws Corrupt
  [[nodiscard]] std::uint64_t pack_count() const { return packs_.size() / 16; }
  [[nodiscard]] Location location(std::uint64_t i) const;
  [[nodiscard]] const std::string& path() const { return path_; }
  // Reads the whole file and compares its digest.
  [[nodiscard]] bool intact() const;

 private:
  void load(std::uint64_t first, std::uint64_t count) const;
  [[nodiscard]] const char* stretch(std::uint64_t first, std::uint64_t count) const;
  std::string path_;
  Fd fd_;
  MappedFile file_;
  bool use_mapping_ = false;
  std::uint32_t record_bytes_;
  std::uint64_t count_ = 0;
  unsigned prefix_bits_ = 0;
  std::string_view records_, fences_, packs_;
  // Records that were read last, when not through the mapping.
  mutable std::string window_;
  mutable std::uint64_t window_first_ = 0, window_count_ = 0;
};

// Writes one run, record by record; constant memory beside the fences.
class RunWriter {
 public:
  // `most` records will come at most.
  RunWriter(const std::string& folder, const StoreId& store, std::uint32_t record_bytes, std::uint64_t most,
            std::vector<Coverage> packs);
  ~RunWriter();
  RunWriter(const RunWriter&) = delete;
  RunWriter& operator=(const RunWriter&) = delete;
  // Records come sorted by key; one that equals its predecessor is dropped.
  void add(std::string_view record);
  // Durable under its final name on return: that is the answer.
  [[nodiscard]] std::string finish();

 private:
  void flush();
  std::string path_, temporary_;
  Fd fd_;
  StoreId store_;
  std::uint32_t record_bytes_;
  unsigned prefix_bits_;
  std::uint64_t count_ = 0;
  std::vector<std::uint32_t> fences_;
  std::vector<Coverage> packs_;
  std::string buffer_, last_;
  bool finished_ = false;
};

[[nodiscard]] std::string write_located(const IndexEntry& entry, std::uint32_t slot);
// Merges runs of one kind into a new one and returns its path.
[[nodiscard]] std::string merge_runs(const std::vector<const Run*>& inputs, const std::string& folder,
                                     const StoreId& store, std::uint32_t record_bytes);

}  // namespace bk::store
