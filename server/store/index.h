// Where chunks lie: sorted runs for packs, memory for the journals.  All of it can be rebuilt (I3).
//
// Every pack in packs/ is covered by a run before it gets its name there, so opening looks at journals only.
// A missing index folder, one of another store, or a damaged run makes open() rebuild.  A run that the disk
// does not give back to a look-up ends that, and makes the next open() rebuild.
#pragma once

#include "common/io/lock.h"
#include "server/store/condemned.h"
#include "server/store/damage_list.h"
#include "server/store/layout.h"
#include "server/store/live.h"
#include "server/store/run_set.h"

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace bk::store {

class Index {
 public:
  Index(const Layout& layout, const StoreId& store);
  Index(const Index&) = delete;
  Index& operator=(const Index&) = delete;
  // Opens, or rebuilds what cannot be opened; `later`: leaves that to the caller.
  void open(bool later = false);
  // Opens, or throws Config: somebody who may write has to rebuild it; Transient: somebody does.
  void open_to_read();
  // What contains() tells is for writers: a chunk that stands only where the disk is known to be damaged is
  // not there.  find() tells all places: readers try them, and what they read is hashed.
  // Known places of a chunk of this kind, journals first.  Does not look at the disk for news.
  [[nodiscard]] std::vector<Location> find(ObjectKind kind, const ChunkId& id) const;
  [[nodiscard]] std::vector<Location> find(ObjectKind kind, const StoredId& id) const;
  // The same for many, which costs a disk far less: `sink` gets the chunk's place in `ids`, as often as it is
  // known to stand somewhere, journals first.
  void find_many(std::span<const ChunkId> ids,
                 const std::function<void(std::size_t, const Location&)>& sink) const;
  // For writers: whether it may be named without being stored again.  What is condemned, as far as the last
  // load_condemned() knows, may not.
  [[nodiscard]] bool contains(ObjectKind kind, const ChunkId& id) const;
  // Which of these chunks of one kind are known.
  [[nodiscard]] std::vector<bool> contains(ObjectKind kind, std::span<const ChunkId> ids) const;
  [[nodiscard]] bool contains(const ChunkId& id) const;  // of whatever kind
  // Takes up what other processes stored since.
  void refresh();
  // Takes up runs that other processes wrote, and lets go of those that were merged away.
  void reload_runs();
  // Reads what is condemned, then the runs: whoever finds nothing condemned any more sees the deleted packs
  // go.
  void load_condemned(bool clean_is_locked = false);
  // What stood in these packs is found no more; durable on return.
  void remove_packs(const std::vector<std::uint64_t>& numbers) { runs_.remove_packs(numbers); }
  // Rewrites runs of which a large part is about removed packs.
  void purge();
  // False when it is missing or another store's, and while a rebuild is at work.
  [[nodiscard]] bool usable() const;
  // Waits for whoever rebuilds the index or merges, and takes up what he made.
  void catch_up();
  // The same, and indexes packs that no run covers.
  void reconcile();
  // Puts a journal's entries into a run once they are worth one, so that opening never reads much of a
  // journal. Everything in it is durable already.
  void cover(std::uint64_t number);
  // True when the entries of a journal take more memory than they should: time to sync and cover it.
  [[nodiscard]] bool crowded(std::uint64_t number) const;
  // Makes the entries of a sealed journal durable.  As long as the answer lives no rebuild takes them away:
  // until the pack has its name, a rebuild would not find it.  Throws Io for one that cannot be read whole;
  // `as_it_is`: what cannot be read of it is not known any more.
  [[nodiscard]] FileLock retire(std::uint64_t number, bool as_it_is = false);
  // Of a journal, or of a pack that no run covers whole, that could not be read: what and why.  Chunks that
  // are found nowhere may stand there.
  [[nodiscard]] std::optional<std::string> problem() const;
  // Such packs.
  [[nodiscard]] const std::map<std::uint64_t, std::string>& unread() const { return unread_; }
  // Indexes these packs again: they were damaged when they were read, and are whole now.
  void read_again(const std::vector<std::uint64_t>& packs);
  // Merges runs when nobody else is at it; see RunSet::merge().
  void merge_if_idle(std::uint64_t most = kMergeInCommit);
  using Progress = std::function<void(std::uint64_t done_bytes, std::uint64_t all_bytes)>;
  // Reads all packs.  Goes on with what an interrupted rebuild has finished, unless that is damaged or
  // `anew`. Until end_rebuild() the next one goes on with this one.
  void rebuild(const Progress& progress, bool anew = false);
  void end_rebuild();
  // Neither condemned nor known to be damaged.
  [[nodiscard]] bool may_name(const Key& key, const Location& where) const {
    return !condemned(key, where) && !damage_.covers(where.pack, where.offset);
  }
  [[nodiscard]] DamageList& damage() { return damage_; }
  [[nodiscard]] LiveJournals& live() { return live_; }
  [[nodiscard]] const RunSet& runs() const { return runs_; }

 private:
  // The caller holds the clean's lock, then the index's.
  void rebuild_locked(const Progress& progress, bool anew);
  [[nodiscard]] FileLock lock_out_clean() const;
  [[nodiscard]] bool may_go_on();
  void forget_finished_rebuild() const;
  void begin_rebuild();
  void empty();
  // Returns how many packs no run covered to their end before.
  std::size_t index_packs(const Progress& progress);
  [[nodiscard]] FileLock begin_to_cover(std::uint64_t number);
  void require_readable(std::uint64_t number);
  [[nodiscard]] bool try_open();
  [[nodiscard]] RunSet no_runs();
  [[nodiscard]] std::string give_up(const std::string& run) const;
  [[nodiscard]] bool condemned(const Key& key, const Location& where) const {
    return condemned_ && condemned_->applies(key, where.pack);
  }

  Layout layout_;
  StoreId store_;
  RunSet runs_;
  LiveJournals live_;
  std::unique_ptr<Condemned> condemned_;
  DamageList damage_;
  bool only_reads_ = false;
  std::map<std::uint64_t, std::string> unread_;  // packs, and why; not tried again
};

// The numbers of all finished packs, sorted.
[[nodiscard]] std::vector<std::uint64_t> all_packs(const Layout& layout);

}  // namespace bk::store
