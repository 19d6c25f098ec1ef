// The content-addressed store: chunks in groups in packs, snapshots in hash-chained journals.
//
// Append-only and verifiable from its own files.  Order of durability (I2): chunks, then the tree nodes that
// name them, then the snapshot object and its journal entry.  The index is a cache of where chunks lie; it
// can be rebuilt (I3). Specification: docs/formats/store.md.
//
// Concurrency: any number of readers and writers, in any number of processes.  A Store object belongs to one
// thread. Errors: Io (disk), Corrupt (stored bytes differ from what was recorded), Config (not a store, a
// newer version, or not its key).
#pragma once

#include "common/chunk/chunk_id.h"
#include "common/chunk/chunker.h"
#include "common/compress/group.h"
#include "common/error/error.h"
#include "common/storage/storage.h"
#include "common/tree/entry.h"
#include "server/store/checkpoint.h"
#include "server/store/snapshot.h"
#include "server/store/snapshot_mark.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bk::store {

struct NodeCuts;

inline constexpr unsigned kDefaultParityPercent = 3;

// How a store is used by one program; nothing of it stands in the store.
struct StoreSettings {
  unsigned parity_percent = kDefaultParityPercent;  // 0 to 90, of the packs that are finished from now on
  std::uint64_t reserve_bytes = 0;  // kept free on the store's disk, for removing when it is full; 0: none
  bool index_later =
      false;  // no index is made on opening: rebuild_index() is called next, and shows how far it is
  std::string key_file{};  // of an encrypted store: needed to open one, and makes a new one encrypted
};

struct ChunkRef {
  ChunkId id;
  ObjectKind kind = ObjectKind::Data;
  std::uint32_t bytes = 0;  // content length
};

// Where a client's chunks may be claimed from: answers "which of these does this client possess already?"
// (DESIGN 5, Possession). Exact and rebuildable; never looks at what other clients stored.
class Possession {
 public:
  virtual ~Possession() = default;
  // One answer for each id, in order: whether it is a chunk of data that the client possesses.  A tree node's
  // id is none: a file that named it could never be read.
  [[nodiscard]] virtual std::vector<bool> has(std::span<const ChunkId> ids) = 0;
};

// One backup's writing side, used on its Store's thread and gone before it.  Several writers may be at work
// at once, each with its own journal file. Dropping a Writer without commit() leaves harmless unnamed chunks
// (I4), which the next run of the same source finds again.
class Writer {
 public:
  virtual ~Writer() = default;
  // A group as the client compressed it.  Decodes, splits at `chunks` (their lengths add up to the content),
  // hashes every chunk; a wrong digest or length throws Protocol.  New chunks are stored; known ones are not
  // stored again, unless at least half of the group's bytes are new: then it is kept as it came.
  virtual void put_group(const EncodedGroup& group, std::span<const ChunkRef> chunks) = 0;
  // One chunk made on the server (tree nodes, lists, chunks of git packs), 1 byte to 4 MiB.  Grouped and
  // compressed here.
  virtual ChunkId put(ObjectKind kind, std::string_view content) = 0;
  // Everything put so far is durable when it returns.
  virtual void sync() = 0;
  // sync(), then writes the snapshot object and its journal entry durably, in this order (I2).  `record` must
  // have sequence 0 and no previous hash: commit() gives the next sequence number, a strictly increasing
  // time, id, chain, and returns all that.
  virtual SnapshotRecord commit(SnapshotRecord record) = 0;
  // sync(), then puts this record in place of the source's older one, durably: a later pull finds what it
  // names. commit() removes it.
  virtual void save_checkpoint(const CheckpointRecord& record) = 0;
  // What this client owns at this moment, including what this writer put.
  [[nodiscard]] virtual Possession& possession() = 0;
  // True when the chunk is in the store, whoever sent it.  For the server's own use; the answer must never
  // reach a client.
  [[nodiscard]] virtual bool contains(const ChunkId& id) = 0;
  // How nodes and lists are cut here (node_cuts.h).
  [[nodiscard]] virtual const NodeCuts& node_cuts() const = 0;
  // From now on whatever would make the client occupy more than `bytes` is not stored: put() and put_group()
  // throw Refused, which says how much is used and needed.  Counted as Store::usage() says.
  virtual void set_quota(std::uint64_t bytes) = 0;
  struct Quota {
    std::uint64_t bytes = 0;        // 0: none was set
    std::uint64_t used = 0;         // by the client, all its writers together
    std::uint64_t used_before = 0;  // when it was set
    bool exceeded = false;          // something was refused
  };
  [[nodiscard]] virtual Quota quota() const = 0;
  // The source's checkpoint keeps nothing any more, durably.
  virtual void forget_checkpoint() = 0;
  struct Totals {
    std::uint64_t new_chunks = 0, new_content_bytes = 0, stored_bytes = 0;
  };
  [[nodiscard]] virtual Totals totals() const = 0;
};

// A group as it lies in a pack.
struct StoredGroup {
  EncodedGroup encoded;
  std::vector<std::uint32_t> lengths;  // of its chunks, which lie one behind the other in its content
  std::vector<ObjectKind> kinds;
};

// Where a chunk lies; in the order of the disk.
struct StoredPlace {
  std::uint64_t pack = 0;
  std::uint32_t offset = 0;    // of its group
  std::uint16_t position = 0;  // in its group
  auto operator<=>(const StoredPlace&) const = default;
};

// A part of a pack whose bytes are not those that were written.
struct DamagedPlace {
  std::uint64_t pack = 0, from = 0, to = 0;  // the end of the pack, or of what follows it, is UINT64_MAX
};

// A chunk that was found good, as Store::mark_of() names it.
struct ChunkMark {
  std::uint64_t mark = 0;
  std::uint32_t bytes = 0;
};

// Which packs check_packs() reads, and how far.
struct PackPlan {
  bool payloads = true;                  // false: heads and sizes only
  double share = 1;                      // of the packs, chosen anew every time
  std::chrono::seconds not_read_for{0};  // only packs that no check has read whole for so long
  // Gets every chunk that was decoded and is what its identity says; without it nothing is decoded.  Called
  // from several threads, by one at a time.
  std::function<void(std::span<const ChunkMark>)> good{};
};
struct PackProblem {
  std::string text;         // one sentence with the file's name
  bool unreadable = false;  // the system refused to read: nothing is known of the bytes
};
struct PackTotals {
  std::uint64_t packs = 0, bytes = 0, left_out = 0;  // left_out: not chosen by the plan
  std::uint64_t damaged = 0, unreadable = 0;         // packs
  std::uint64_t without_parity = 0;                  // of those read, where the store makes parity
};

// What heal() did, or could not do, about one file.
struct HealEvent {
  enum class What {
    PackRepaired,  // from its parity
    PackCopied,    // from the other copy of the store
    PackDamaged,   // neither could; its good groups are still read
    ParityMade,    // there was none, or a damaged one
    FileCopied,    // a snapshot's object or the like, from the other copy
    FileMade,      // made anew from what else the store holds
    FileDamaged,
  };
  What what;
  std::string path;    // as people know it
  std::string detail;  // one sentence
  // Damaged: the disk refused to give it back, and that is all that is known.
  bool unreadable = false;
};
using HealReport = std::function<void(const HealEvent&)>;
struct HealTotals {
  std::uint64_t packs = 0, bytes = 0;  // looked at
  std::uint64_t repaired = 0, copied = 0, damaged = 0, parity = 0;
  std::uint64_t files_healed = 0, files_damaged = 0;         // snapshot objects, marks, journals
  std::uint64_t packs_unreadable = 0, files_unreadable = 0;  // of the damaged: nothing else is known of them
};

struct CleanOptions {
  bool pretend = false;                 // only count
  std::optional<std::uint64_t> expect;  // so many chunks have to go, else Refused
  unsigned rewrite_percent = 25;  // packs of which at least so much is not needed are rewritten; 0: any of it
  std::uint64_t regroup_bytes = 1U << 30U;  // packs rewritten, at most, for sources that became scattered
  bool regroup_all = false;                 // look at all sources, not only at those that are due
  bool all = false;        // look at all that is stored, not only at what the last snapshots led to that went
  bool recount = false;    // that, and count anew what snapshots lead to
  int compress_level = 0;  // of zstd: packs that were not compressed anew yet are; 0: none
  // Bytes of packs that were compressed anew, and that are to be.
  std::function<void(std::uint64_t done_bytes, std::uint64_t all_bytes)> compressing{};
};
struct CleanTotals {
  std::uint64_t chunks = 0, unneeded = 0;  // known to the index; of them not needed
  std::uint64_t packs_removed = 0, packs_rewritten = 0, packs_damaged = 0;
  std::uint64_t regrouped = 0;  // sources
  bool all = false;             // was looked at
  std::uint64_t freed_bytes = 0, copied_bytes = 0;
  std::string problem;          // of the first of packs_damaged: its file, and what hindered
  std::uint64_t waits_for = 0;  // writers that have to end before a further clean deletes what is condemned
};

// A chunk that the disk does not give back (EIO), to who reads past bad sectors: nothing is known of its
// bytes, and what does not need it can go on.  Of kind Corrupt.
class Unreadable final : public Error {
 public:
  explicit Unreadable(const Error& error) : Error(Kind::Corrupt, error.what()) {}
};
[[nodiscard]] inline bool is_unreadable(const Error& error) {
  return dynamic_cast<const Unreadable*>(&error) != nullptr;
}

class Store {
 public:
  // Opens; makes an empty store when the folder is missing or empty and `create` is set.  Salvages torn
  // journal tails.  What can be rebuilt lies in `index`, or, when that is empty, in the sibling folder
  // "index" of a folder named "store" and in "<directory>.index" otherwise; a missing or damaged one is
  // rebuilt here.
  [[nodiscard]] static std::unique_ptr<Store> open(const std::string& directory, bool create = false,
                                                   const std::string& index = {},
                                                   const StoreSettings& settings = {});
  // The same with the objects in this storage; `directory` holds only journals, locks and checkpoints then.
  [[nodiscard]] static std::unique_ptr<Store> open_on(std::shared_ptr<Storage> storage,
                                                      const std::string& directory, bool create = false,
                                                      const std::string& index = {},
                                                      const StoreSettings& settings = {});
  // For somebody who may read and not write: nothing is made, repaired or rebuilt, and writer() must not be
  // called.  A missing index throws Config.
  [[nodiscard]] static std::unique_ptr<Store> open_to_read(const std::string& directory,
                                                           const std::string& index = {},
                                                           const StoreSettings& settings = {});
  virtual ~Store() = default;

  // What a client with a quota occupies, of the store in this folder: the content of all chunks that its
  // snapshots and checkpoints need, each once, and of what it sent since the last clean.  Never depends on
  // what others store. Nothing when it is not counted: no quota was ever in force.
  [[nodiscard]] static std::optional<std::uint64_t> usage(const std::string& directory,
                                                          const std::string& client,
                                                          const std::string& index = {});

  [[nodiscard]] virtual std::unique_ptr<Writer> writer(const std::string& client, const std::string& module,
                                                       const std::string& method,
                                                       const std::string& name) = 0;

  // The content of a chunk, verified against its id.  Throws Corrupt when it is missing or wrong.
  [[nodiscard]] virtual std::string read(ObjectKind kind, const ChunkId& id) = 0;
  // From now on: whether a chunk behind a bad sector is thrown as Unreadable.  Else it is Io, which ends what
  // is being done.
  virtual void read_past_bad_sectors(bool past) = 0;
  // Many chunks in the best order for the disk; `sink` gets them in *their own* order of storage, with the
  // position in `ids`.
  virtual void read_many(ObjectKind kind, std::span<const ChunkId> ids,
                         const std::function<void(std::size_t, std::string_view)>& sink) = 0;
  // The same for a few chunks here and there, of which the neighbours are not wanted: no group is decoded
  // further than to its last wanted chunk.
  virtual void read_scattered(ObjectKind kind, std::span<const ChunkId> ids,
                              const std::function<void(std::size_t, std::string_view)>& sink) = 0;

  // For readers that decode elsewhere: where chunks seem to lie (nothing: nowhere known; read() may know
  // better), and the group there.  Only read() knows whether a chunk is what it should be, so the caller must
  // hash.  load_group() throws Corrupt when no such group stands there, and, with `check`, when its bytes are
  // not those that were written.
  [[nodiscard]] virtual std::vector<std::optional<StoredPlace>> locate(ObjectKind kind,
                                                                       std::span<const ChunkId> ids) = 0;
  [[nodiscard]] virtual StoredGroup load_group(const StoredPlace& place, bool check) = 0;

  // Whether the client possesses every chunk of the group that stands there, so that it may have the group as
  // it is.  False also for what cannot be read, or is not known for sure.
  [[nodiscard]] virtual bool owns_group(const std::string& client, const StoredPlace& place) = 0;

  // All snapshots, or those of one client, sorted by client, source, sequence.  Throws Corrupt naming the
  // file that cannot be read.
  // With `damaged`: goes on without it, and tells it there.
  [[nodiscard]] virtual std::vector<SnapshotRecord> snapshots(
      const std::string& client = {},
      const std::function<void(const std::string& problem)>& damaged = {}) = 0;
  // The newest one of a source that can be read: a damaged record must not end its backups.
  [[nodiscard]] virtual std::optional<SnapshotRecord> newest(const std::string& client,
                                                             const std::string& module,
                                                             const std::string& method,
                                                             const std::string& name) = 0;

  // Removes, holds or releases these snapshots of one client (their ids); durable on return.  A removed one
  // no longer counts, and what only it named goes with the next clean; one that is held cannot be removed.
  // Throws NotFound for one that is not there, Refused for the removal of one that is held; then nothing was
  // done.
  virtual void mark_snapshots(const std::string& client, const MarkTemplate& what,
                              std::span<const std::string> ids) = 0;
  // The hold in force of every held snapshot of the client, by the snapshot's id.
  [[nodiscard]] virtual std::map<std::string, SnapshotMark> holds(const std::string& client) = 0;

  // What an unfinished pull of the source has left behind its newest snapshot; nothing when there is none.
  [[nodiscard]] virtual std::optional<CheckpointRecord> checkpoint(const std::string& client,
                                                                   const std::string& module,
                                                                   const std::string& method,
                                                                   const std::string& name) = 0;

  [[nodiscard]] virtual const ChunkerParams& chunker() const = 0;
  [[nodiscard]] virtual const std::string& directory() const = 0;
  // A folder of the index, for temporary files of those who write here.
  [[nodiscard]] virtual const std::string& scratch() const = 0;

  // Merges what the index has gathered, as far as commits left it for later: half a minute at most for each
  // run of 2.5 GiB, nothing most of the time.  For when nobody waits any more; may be killed at any time.
  virtual void tidy() = 0;
  // Gives back the room of what nothing leads to, while backups go on.  Everything that is needed is durable
  // before anything goes; when killed, the next one goes on.  Throws Refused when something cannot be read or
  // parsed, or more would go than expected, Transient while another clean is at work.
  virtual CleanTotals clean(const CleanOptions& options) = 0;

  // Recreates the index, and what clients possess, from packs, journals and snapshots alone.  Goes on with
  // what an interrupted one has finished, unless `anew`.  Backups go on meanwhile; a clean does not.
  virtual void rebuild_index(
      const std::function<void(std::uint64_t done_bytes, std::uint64_t all_bytes)>& progress,
      bool anew = false) = 0;
  // Whether the client's journal says that this snapshot was removed.  Throws Corrupt.
  [[nodiscard]] virtual bool was_removed(const std::string& client, const std::string& snapshot_id) = 0;
  // Whether the client's journal knows it at all, removed or not.  Throws Corrupt.
  [[nodiscard]] virtual bool was_made(const std::string& client, const std::string& snapshot_id) = 0;
  // Checks every snapshot journal's chain and every pack's structure; reports each problem as one line.
  virtual void check_structure(const std::function<void(const std::string& problem)>& report) = 0;
  // Compares packs, their parity and the journals with their own digests.  What is damaged counts as absent
  // for writers from now on, and what was damaged and is whole no longer does.  Never in the way of backups.
  // `report` and `progress` are called from several threads, by one at a time.
  virtual PackTotals check_packs(
      const PackPlan& plan, const std::function<void(const PackProblem&)>& report,
      const std::function<void(std::uint64_t done_bytes, std::uint64_t all_bytes)>& progress) = 0;
  // What check_packs() calls this chunk, as long as this object lives.
  [[nodiscard]] virtual std::uint64_t mark_of(ObjectKind kind, const ChunkId& id) = 0;
  // Every snapshot journal's chain, every snapshot's object, every run of the index; one line per problem.
  virtual void check_records(const std::function<void(const PackProblem&)>& report) = 0;
  // Which of these chunks stand somewhere that is not known to be damaged.
  [[nodiscard]] virtual std::vector<bool> present(ObjectKind kind, std::span<const ChunkId> ids) = 0;
  // Snapshots of which something is damaged: the next backup of their source looks at everything again.
  virtual void note_suffering(const std::vector<std::string>& snapshot_ids) = 0;
  [[nodiscard]] virtual bool suffers(const std::string& snapshot_id) = 0;
  // Puts the header of another copy in the place of one that is missing, damaged or another store's; true
  // when it did.  What lies in the packs decides whose it is.  Throws Config when the copy's does not fit
  // either.
  [[nodiscard]] static bool heal_header(const std::string& directory, const std::string& copy);
  // Makes damaged files whole: from parity, else from another copy of this store (a folder; empty: there is
  // none), and makes parity where it is missing.  Every file fits its digests before it takes the old one's
  // place.  Backups may be at work meanwhile.  Throws Config when the copy is of another store.
  virtual HealTotals heal(
      const std::string& copy, const HealReport& report,
      const std::function<void(std::uint64_t done_bytes, std::uint64_t all_bytes)>& progress) = 0;
};

}  // namespace bk::store
