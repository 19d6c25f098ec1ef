// What one client may claim to have given us already: what the last clean has counted below its snapshots
// (counts.h), and keys of chunks that came since, in runs and in the logs of writers at work.  All of it is
// rebuilt from the client's snapshots; what an unfinished pull added is lost with the index folder, and then
// merely sent again.
#pragma once

#include "server/store/counts.h"
#include "server/store/index.h"
#include "server/store/run_set.h"
#include "server/store/store.h"

#include <functional>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

namespace bk::store {

class ClientPossession final : public Possession {
 public:
  // Calls sink with every chunk, list and node reachable from the client's snapshots, but for what counts
  // name (null: there are none).
  using Walk = std::function<void(const Counts*, const std::function<void(const ChunkId&)>& sink)>;

  // Opens, rebuilds by `walk` when there is nothing to open, and takes up the logs of writers that died.
  ClientPossession(const Layout& layout, const StoreId& store, const std::string& client, Index& index,
                   const Walk& walk);
  ~ClientPossession() override;
  ClientPossession(const ClientPossession&) = delete;
  ClientPossession& operator=(const ClientPossession&) = delete;

  // What is known of a client counts no longer: its next writer walks its snapshots again, and the next clean
  // counts them anew.  Durable on return.
  static void distrust(const Layout& layout, const std::string& client);
  static void distrust_all(const Layout& layout);
  // Names of the runs that there are; and letting go of these, as far as they are still there: what of them
  // is still the client's is counted, but for what `unfinished` tells.
  [[nodiscard]] static std::vector<std::string> runs(const Layout& layout, const std::string& client);
  static void let_go(const Layout& layout, const StoreId& store, const std::string& client,
                     const std::vector<std::string>& runs, const Walk& unfinished);
  // Clients that had snapshots, as far as this cache remembers, sorted.
  [[nodiscard]] static std::vector<std::string> remembered(const Layout& layout);
  // Remembers that the client has snapshots, so that they are missed when they are lost as a whole.
  void note_snapshot() const;

  // True only for what this client owns *and* what is in the store now.
  [[nodiscard]] std::vector<bool> has(std::span<const ChunkId> ids) override;
  [[nodiscard]] bool owns(const ChunkId& id) const { return owns(key_of(store_, id)); }
  void add(const ChunkId& id);
  // As add(), for what was not owned when it was asked for: does not look.
  void add_new(const ChunkId& id);
  // Hands the log's lines to the kernel, so that a killed writer's chunks are not asked for again.
  void flush();
  // Turns the log into a run.
  void fold();

 private:
  [[nodiscard]] bool owns(const Key& key) const;
  void rebuild(const Walk& walk);
  void take_up_logs();
  std::string folder_;
  StoreId store_;
  Index& index_;
  RunSet runs_;
  std::optional<Counts> counts_;
  std::unordered_set<Key> recent_;
  std::string pending_, log_path_;
  Fd log_;
};

// The same for somebody who may only read: as far as the runs know, so what is being pulled now is not in it.
// Without anything usable the client owns nothing.
class PossessionView {
 public:
  PossessionView(const Layout& layout, const StoreId& store, const std::string& client);
  [[nodiscard]] bool owns(const StoredId& id) const {
    return (runs_ && runs_->contains(key_of(id))) || (counts_ && counts_->names(key_of(id)));
  }

 private:
  std::optional<RunSet> runs_;
  std::optional<Counts> counts_;
};

}  // namespace bk::store
