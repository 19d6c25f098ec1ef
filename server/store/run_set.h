// All runs of one folder, merged when they become many.
#pragma once

#include "server/store/run.h"

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace bk::store {

// What merging may cost at once, in records of the merged run: about 4 million a second.
inline constexpr std::uint64_t kMergeInCommit = 4U << 20U;
inline constexpr std::uint64_t kMergeAnything = UINT64_MAX;
// Runs never grow beyond this (about 2.5 GiB, half a minute of merging), so a store of a billion chunks has
// eight large ones; their filters make that cheap.
inline constexpr std::uint64_t kLargestRun = 1U << 27U;

// Looks for many keys, which costs a disk far less than one after the other: sorted, what has to be read is
// asked for together.  `sink` gets the key's place in `keys`, run by run, and may be called often or never
// for each.
void find_many(std::span<const std::unique_ptr<Run>> runs, std::span<const Key> keys,
               const std::function<void(std::size_t, const Run&, std::uint64_t)>& sink);

// The runs of a folder together are the set; the same record in two of them is harmless, so a crash between
// writing a merged run and removing its inputs is, too.  One thread; other processes may add and merge.
class RunSet {
 public:
  // `held_bytes`: how much of the runs may be held in memory at a time; the larger ones are read.  Whoever
  // looks into a run that the disk does not give back gets UnreadableRun, and `given_up` is called before.
  RunSet(std::string folder, const StoreId& store, RunKind kind, std::uint64_t held_bytes = 16U << 20U,
         RunGivenUp given_up = {});
  // Takes up runs that came since, and lets go of those that were merged away.  A run that is damaged
  // throws Corrupt.  Reads one folder and the headers of runs that are new.
  void reload();
  [[nodiscard]] bool contains(const Key& key) const;
  void find(const Key& key, const std::function<void(const Run&, std::uint64_t)>& sink) const;
  // Many at once.
  void find_many(std::span<const Key> keys,
                 const std::function<void(std::size_t, const Run&, std::uint64_t)>& sink) const;
  // Sorts, writes a run durably and takes it up.
  void add_located(std::vector<IndexEntry> entries, std::vector<Coverage> packs);
  void add_keys(std::vector<Key> keys);
  // Merges runs of like size while there are eight or more of them: every record is rewritten about
  // log8(records) times.  No merge writes more than `most` records; with one that cannot be read nothing is
  // merged.  The caller holds the index lock.
  void merge(std::uint64_t most = kMergeAnything);
  // From now on nothing is found in these packs, in whatever run; durable on return.
  void remove_packs(const std::vector<std::uint64_t>& numbers);
  // Whether a pack was removed and some run still speaks of it.
  [[nodiscard]] bool is_removed(std::uint64_t pack) const;
  [[nodiscard]] const std::vector<std::uint64_t>& removed_packs() const { return removed_; }
  // Writes runs anew of whose packs a quarter or more were removed, and lets go of removed packs that no run
  // speaks of any more.  The caller holds the index lock.
  void purge();
  // How far a pack is covered by all runs together; 0 when they do not know it, kWholePack for one
  // that was removed.
  [[nodiscard]] std::uint64_t covered(std::uint64_t pack) const;
  [[nodiscard]] const std::vector<std::unique_ptr<Run>>& runs() const { return runs_; }
  // How many records there are of each pack, those that stand in two runs counted twice.  Reads all runs;
  // throws Corrupt for a damaged one.
  [[nodiscard]] std::map<std::uint64_t, std::uint64_t> count_records() const;

 private:
  void take_up(const std::string& path);
  void take_up_made(const std::string& path);
  void note_removed();
  void replace(const std::vector<const Run*>& inputs, const std::string& merged);
  [[nodiscard]] std::string merge_into_one(const std::vector<const Run*>& inputs);
  void share_memory();
  [[nodiscard]] std::vector<const Run*> next_merge(std::uint64_t most) const;
  std::string folder_;
  StoreId store_;
  RunKind kind_;
  std::uint64_t held_bytes_, memory_;
  RunGivenUp given_up_;
  std::vector<std::unique_ptr<Run>> runs_;
  std::vector<std::uint64_t> removed_;  // sorted
};

}  // namespace bk::store
