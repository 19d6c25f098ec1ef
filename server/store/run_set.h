// All runs of one folder, merged when they become many.
#pragma once

#include "server/store/run.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace bk::store {

// The runs of a folder together are the set; the same record in two of them is harmless, so a crash between
// writing a merged run and removing its inputs is, too.  One thread; other processes may add and merge.
class RunSet {
 public:
  // `mapped_bytes`: how much of the runs may be mapped memory at a time; the larger ones are read.
  RunSet(std::string folder, const StoreId& store, std::uint32_t record_bytes,
         std::uint64_t mapped_bytes = 16U << 20U);
  // Takes up runs that came since, and lets go of those that were merged away.  A run that is damaged
  // throws Corrupt.
  void reload();
  [[nodiscard]] bool contains(const Key& key) const;
  void find(const Key& key, const std::function<void(const Run&, std::uint64_t)>& sink) const;
  // Sorts, writes a run durably and takes it up.
  void add_located(std::vector<IndexEntry> entries, std::vector<Coverage> packs);
  void add_keys(std::vector<Key> keys);
  // Merges runs of like size while there are eight or more of them: every record is rewritten about
  // log8(records) times.  The caller holds the index lock.
  void merge();
  // How far each pack is covered by all runs together.
  [[nodiscard]] std::map<std::uint64_t, std::uint64_t> covered() const;
  [[nodiscard]] const std::vector<std::unique_ptr<Run>>& runs() const { return runs_; }

 private:
  void take_up(const std::string& path);
  void share_mapping();
  std::string folder_;
  StoreId store_;
  std::uint32_t record_bytes_;
  std::uint64_t mapped_bytes_;
  std::vector<std::unique_ptr<Run>> runs_;
};

}  // namespace bk::store
