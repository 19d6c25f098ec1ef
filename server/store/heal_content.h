// What damaged packs lost, brought back chunk by chunk; internal to server/store.
//
// Packs are healed as a whole first (heal.h).  What parity and a pack of the same number cannot bring back
// may still stand somewhere: in a copy that was cleaned apart, in other packs because a client sent it again,
// in those groups of the damaged pack that can be read.  So everything that snapshots, checkpoints and
// writers at work lead to is looked up, as far as nodes can be read or fetched; what stands nowhere else is
// put into new packs.  When nothing is missing any more, damaged packs have told all they can: what is good
// in them is copied, and they go.
//
// Memory is bounded: nodes seen and chunks given up lie in DiskMaps.  The caller holds the clean's lock.
// May be killed at any time: what was brought back is found by the next one.  Errors: Io.
#pragma once

#include "common/spill/disk_map.h"
#include "server/store/copy_finder.h"
#include "server/store/node.h"
#include "server/store/repack.h"
#include "server/store/store_impl.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace bk::store {

class ContentHealer {
 public:
  // `copy` may be null; `folder` is where it lies.
  ContentHealer(StoreImpl& store, std::shared_ptr<Storage> copy, std::string folder);
  // Everything that is needed and can be had is durable in sound packs on return.
  void fetch();
  // Chunks that came from the copy, and their content.
  [[nodiscard]] std::uint64_t fetched() const { return fetched_; }
  [[nodiscard]] std::uint64_t fetched_bytes() const { return fetched_bytes_; }
  // Nothing that is needed is missing, as far as that can be known.
  [[nodiscard]] bool complete() const { return complete_ && lost_.size() == 0; }
  // Chunks that were not found, and those of them that may still stand where the disk cannot be read.
  [[nodiscard]] std::uint64_t lost() const { return lost_.size(); }
  [[nodiscard]] std::uint64_t unreadable() const { return unreadable_; }
  // Removes those of these packs whose good groups could all be copied, and returns them.
  [[nodiscard]] std::set<std::uint64_t> empty(const std::set<std::uint64_t>& damaged);

 private:
  void walk(std::vector<NodeRef> todo);
  void enter(const NodeRef& ref, std::vector<NodeRef>& todo);
  void look_up();
  [[nodiscard]] std::optional<std::string> node(const NodeRef& ref);
  // What can still be read here although its place is damaged, else what the copy has.
  void bring(ObjectKind kind, const std::vector<ChunkId>& ids,
             const std::function<void(std::size_t, std::string_view)>& sink);
  enum class Salvage { Done, Missing, Unreadable };
  [[nodiscard]] Salvage salvage(ObjectKind kind, const ChunkId& id,
                                const std::function<void(std::string_view)>& sink);
  void keep(ObjectKind kind, const ChunkId& id, std::string_view content);

  StoreImpl& store_;
  std::shared_ptr<Storage> copy_;
  std::string folder_;
  std::unique_ptr<CopyFinder> finder_;  // made when something is missing
  Repacker repacker_;
  DiskMap visited_, lost_;
  std::vector<ChunkId> data_;  // to be looked up together
  std::uint64_t fetched_ = 0, fetched_bytes_ = 0, unreadable_ = 0;
  bool complete_ = true;
};

// Holds back what is said of damaged packs until it is known that they stay so.
class DamagedLast {
 public:
  explicit DamagedLast(HealReport report) : report_(std::move(report)) {}
  [[nodiscard]] HealReport reporter();
  // These are reported as repaired.
  void emptied(const std::set<std::uint64_t>& packs);
  [[nodiscard]] std::set<std::uint64_t> damaged() const;  // packs
  [[nodiscard]] std::uint64_t unreadable() const;         // of them
  [[nodiscard]] const HealReport& report() const { return report_; }
  void tell();

 private:
  HealReport report_;
  std::vector<HealEvent> events_;
};

// All of this, with what is reported and counted.
void heal_content(StoreImpl& store, const std::shared_ptr<Storage>& copy, const std::string& folder,
                  DamagedLast& late, HealTotals& totals);

}  // namespace bk::store
