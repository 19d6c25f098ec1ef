// Giving back the room of what nothing leads to any more; internal to server/store.
//
// In two phases, so that backups go on meanwhile.  First what snapshots lead to is counted, and what else
// leads somewhere is walked; what is not needed is condemned: whoever registers as a writer from now on
// treats it as absent.  When all writers that were at work then have ended, what came to lead to condemned
// chunks meanwhile is walked, too, and the rest is deleted: packs of which nothing is needed go, packs of
// which little is needed are copied and go.  Copies are durable and findable before anything goes; a pack is
// said to be gone before it is, so that no writer takes its chunks for stored.  docs/formats/store.md,
// "Removing".
#pragma once

#include "server/store/condemned.h"
#include "server/store/garbage.h"
#include "server/store/mark.h"
#include "server/store/regroup.h"
#include "server/store/repack.h"
#include "server/store/store_impl.h"
#include "server/store/writers.h"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace bk::store {

class Cleaner {
 public:
  // Throws Transient when another clean is at work.
  Cleaner(StoreImpl& store, const CleanOptions& options);
  [[nodiscard]] CleanTotals run();

 private:
  void finish_removals();
  [[nodiscard]] bool end_earlier();
  [[nodiscard]] bool count(const SeenLines& seen);
  [[nodiscard]] Garbage find(const SeenLines& seen, bool all);
  void end(const SeenLines& seen, bool all);
  void check_amount(const Garbage& garbage);
  void seal_journals(Garbage& garbage);
  void condemn(Garbage& garbage, const SeenLines& seen);
  void delete_condemned(const Condemned& condemned, SortedRecords* revived);
  [[nodiscard]] SortedRecords unneeded_places(const Condemned& condemned, SortedRecords* revived);
  void drop_and_choose(SortedRecords& places, std::set<std::uint64_t>& rewrite);
  void choose_small(std::set<std::uint64_t>& rewrite);
  void rewrite(SortedRecords& places, const std::set<std::uint64_t>& chosen);
  void regroup();
  void rewrite_for(ScatteredSource& source, const std::set<std::uint64_t>& packs);
  void compress_anew();
  void leave(const std::string& problem);
  void remove_packs(const std::vector<std::uint64_t>& numbers);

  StoreImpl& store_;
  CleanOptions options_;
  std::optional<FileLock> lock_;
  CleanTotals totals_;
  std::map<std::string, std::vector<std::string>> possessions_;  // of each client, before it was counted
};

}  // namespace bk::store
