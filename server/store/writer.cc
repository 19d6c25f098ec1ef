#include "server/store/writer.h"

#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/text/amount.h"
#include "common/text/escape.h"
#include "server/store/checkpoint_folder.h"
#include "server/store/extents.h"
#include "server/store/node_cuts.h"
#include "server/store/reach.h"
#include "server/store/usage.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace bk::store {
namespace {

constexpr std::size_t kRootExtents = 64;

// The parts of a decoded group, each compared with what was claimed.
std::vector<ObjectContent> split(std::string_view content, std::span<const ChunkRef> chunks) {
  std::vector<ObjectContent> out;
  out.reserve(chunks.size());
  std::size_t at = 0;
  for (const ChunkRef& chunk : chunks) {
    if (chunk.bytes == 0 || chunk.bytes > kMaxObjectBytes || chunk.bytes > content.size() - at)
      throw Error(Kind::Protocol, "a group's chunks do not add up to its content");
    out.push_back({chunk.kind, content.substr(at, chunk.bytes)});
    at += chunk.bytes;
  }
  if (at != content.size()) throw Error(Kind::Protocol, "a group's chunks do not add up to its content");
  const std::vector<ChunkId> ids = chunk_ids(out);
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    if (ids[i] != chunks[i].id)
      throw Error(Kind::Protocol, "a chunk's content differs from its identity " + chunks[i].id.hex());
  }
  return out;
}

constexpr std::uint64_t kSettleBytes = 1U << 20U;  // put by put(): groups settle at once

}  // namespace

namespace {

// Walks one root after another, past what is damaged: that is sent again, and so healed.
class PatientWalk {
 public:
  PatientWalk(StoreImpl& store, const Counts* counts) : store_(store), visited_(store.scratch()) {
    if (counts != nullptr)
      known_ = [this, counts](const ChunkId& id) { return counts->names(key_of(store_.id(), id)); };
  }
  void from(const Entry& root, const std::function<void(const ChunkId&)>& sink) {
    tolerant([&] {
      for_each_reachable(
          store_, root, visited_, [&](ObjectKind, const ChunkId& id) { sink(id); }, known_);
    });
  }
  template <class Body>
  static void tolerant(const Body& body) {
    try {
      body();
    } catch (const Error& error) {
      if (error.kind() != Kind::Corrupt) throw;
    }
  }

 private:
  StoreImpl& store_;
  DiskMap visited_;
  std::function<bool(const ChunkId&)> known_;
};

void walk_checkpoints(StoreImpl& store, const std::string& client, PatientWalk& walk,
                      const std::function<void(const ChunkId&)>& sink) {
  for (const CheckpointRecord& checkpoint : CheckpointFolder(store.layout(), client).all())
    walk.from(directory_of(checkpoint.node), sink);
}

}  // namespace

ClientPossession::Walk walk_snapshots(StoreImpl& store, const std::string& client) {
  return [&store, client](const Counts* counts, const std::function<void(const ChunkId&)>& sink) {
    PatientWalk walk(store, counts);
    std::vector<SnapshotRecord> snapshots;
    PatientWalk::tolerant([&] { snapshots = store.snapshots(client, {}); });
    for (const SnapshotRecord& snapshot : snapshots) walk.from(snapshot.root, sink);
    walk_checkpoints(store, client, walk, sink);
  };
}

ClientPossession::Walk walk_checkpoints(StoreImpl& store, const std::string& client) {
  return [&store, client](const Counts* counts, const std::function<void(const ChunkId&)>& sink) {
    PatientWalk walk(store, counts);
    walk_checkpoints(store, client, walk, sink);
  };
}

void ensure_possession(StoreImpl& store, const std::string& client) {
  const ClientPossession made(store.layout(), store.id(), client, store.index(),
                              walk_snapshots(store, client));
}

WriterImpl::WriterImpl(StoreImpl& store, std::string client, std::string module, std::string method,
                       std::string name)
    : store_(store),
      registration_(store.layout(), store.id()),
      client_(std::move(client)),
      module_(std::move(module)),
      method_(std::move(method)),
      name_(std::move(name)),
      possession_(store.layout(), store.id(), client_, store.index(), walk_snapshots(store, client_)),
      appender_(store),
      ledger_(store.layout().possession(client_), store.id()) {
  store_.index().load_condemned();
  store_.enlist(this);
}

// What was put stays findable, so that the next run of the source repeats nothing.
WriterImpl::~WriterImpl() {
  store_.dismiss(this);
  try {
    flush();
    settle();
  } catch (const Error&) {
    // Unnamed chunks (I4); nothing was promised.
  }
}

bool WriterImpl::known(ObjectKind kind, const ChunkId& id) {
  return pending_.contains(id) || store_.index().contains(kind, id);
}

std::vector<bool> WriterImpl::which_known(std::span<const ChunkRef> chunks) {
  std::vector<ChunkId> ids;
  ids.reserve(chunks.size());
  std::vector<bool> out(chunks.size(), false);
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    ids.push_back(chunks[i].id);
    out[i] = !pending_.empty() && pending_.contains(chunks[i].id);
  }
  store_.index().find_many(ids, [&](std::size_t i, const Location& where) {
    if (where.kind == chunks[i].kind && store_.index().may_name(key_of(store_.id(), ids[i]), where))
      out[i] = true;
  });
  return out;
}

const NodeCuts& WriterImpl::node_cuts() const { return node_cuts_of(store_.chunker()); }

bool WriterImpl::contains(const ChunkId& id) { return pending_.contains(id) || store_.index().contains(id); }

std::vector<bool> WriterImpl::has(std::span<const ChunkId> ids) {
  std::vector<bool> out = possession_.has(ids);
  for (std::size_t i = 0; i < ids.size() && !pending_.empty(); ++i) {
    const auto own = pending_.find(ids[i]);  // only this writer's own
    if (own != pending_.end() && own->second == ObjectKind::Data) out[i] = true;
  }
  return out;
}

void WriterImpl::collect(ObjectKind kind, const ChunkId& id, std::string_view content) {
  Batch& batch = kind == ObjectKind::Data ? data_ : metadata_;
  if (batch.content.size() + content.size() > kMaxGroupContent || batch.chunks.size() == kMaxGroupChunks)
    flush(batch);
  batch.content += content;
  batch.chunks.push_back({id, kind, static_cast<std::uint32_t>(content.size())});
  pending_.emplace(id, kind);
  ++totals_.new_chunks;
  totals_.new_content_bytes += content.size();
  if (batch.content.size() >= kTargetGroupContent) flush(batch);
}

ChunkId WriterImpl::put(ObjectKind kind, std::string_view content) {
  if (content.empty() || content.size() > kMaxObjectBytes)
    throw Error(Kind::Protocol, "an object of " + std::to_string(content.size()) + " bytes cannot be stored");
  const ChunkId id = chunk_id(kind, content);
  const bool there = known(kind, id);
  if (quota_.bytes > 0 && !(there && possession_.owns(id))) charge(content.size());
  if (there) {
    possession_.add(id);
  } else {
    collect(kind, id, content);
    possession_.add_new(id);  // owned and missing at most: a key twice is harmless
  }
  return id;
}

void WriterImpl::put_group(const EncodedGroup& group, std::span<const ChunkRef> chunks) {
  if (chunks.empty() || chunks.size() > kMaxGroupChunks || group.bytes.size() > kMaxPayloadBytes)
    throw Error(Kind::Protocol, "a group exceeds its limits");
  std::string_view content;
  try {
    content = decoder_.decode_into(group, decoded_);
  } catch (const Error& error) {
    throw Error(Kind::Protocol, error.what());  // the peer's bytes, not ours
  }
  const std::vector<ObjectContent> parts = split(content, chunks);
  charge_group(chunks);
  std::vector<std::size_t> fresh;
  std::size_t fresh_bytes = 0;
  std::unordered_set<ChunkId> seen;
  const std::vector<bool> known = which_known(chunks);
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    if (known[i] || !seen.insert(chunks[i].id).second) continue;
    fresh.push_back(i);
    fresh_bytes += parts[i].content.size();
  }
  if (!fresh.empty() && fresh_bytes * 2 >= content.size()) {
    store_group(group, {chunks.begin(), chunks.end()});
    totals_.new_chunks += fresh.size();
    totals_.new_content_bytes += fresh_bytes;
  } else {
    for (const std::size_t i : fresh) collect(chunks[i].kind, chunks[i].id, parts[i].content);
  }
  for (const ChunkRef& chunk : chunks) possession_.add_new(chunk.id);  // twice is harmless
  possession_.flush();
}

void WriterImpl::flush(Batch& batch) {
  if (batch.chunks.empty()) return;
  const EncodedGroup group = encoder_.encode(batch.content);
  std::vector<ChunkRef> chunks = std::exchange(batch.chunks, {});
  batch.content.clear();
  std::vector<ChunkId> ids;
  for (const ChunkRef& chunk : chunks) ids.push_back(chunk.id);
  store_group(group, std::move(chunks));
  for (const ChunkId& id : ids) pending_.erase(id);
}

void WriterImpl::flush() {
  flush(data_);
  flush(metadata_);
  possession_.flush();
}

void WriterImpl::store_group(const EncodedGroup& group, std::vector<ChunkRef> chunks) {
  std::vector<StoredChunk> stored;
  stored.reserve(chunks.size());
  for (const ChunkRef& chunk : chunks)
    stored.push_back({store_.id().stored(chunk.id), chunk.kind, chunk.bytes});
  totals_.stored_bytes += appender_.append(group, stored);
  possession_.flush();
}

void WriterImpl::sync() {
  flush();
  appender_.sync();
  if (quota_.bytes == 0) return;
  settle();
  ledger_.sync();
}

void WriterImpl::set_quota(std::uint64_t bytes) {
  if (!ledger_.add(0)) count_usage(store_, client_);
  quota_.bytes = bytes;
  settle();
  quota_.used_before = quota_.used;
}

void WriterImpl::charge_group(std::span<const ChunkRef> chunks) {
  if (quota_.bytes == 0) return;
  std::vector<ChunkId> ids;
  for (const ChunkRef& chunk : chunks) ids.push_back(chunk.id);
  const std::vector<bool> owned = has(ids);
  std::unordered_set<ChunkId> seen;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < chunks.size(); ++i)
    if (!owned[i] && seen.insert(ids[i]).second) bytes += chunks[i].bytes;
  charge(bytes);
}

// Before anything is stored.  What other writers of the client did since the last look counts, too.
void WriterImpl::charge(std::uint64_t bytes) {
  if (bytes == 0) return;
  if (unsettled_ + bytes > kSettleBytes || quota_.used + bytes > quota_.bytes) settle();
  if (quota_.used + bytes > quota_.bytes) {
    quota_.exceeded = true;
    throw Error(Kind::Refused,
                "quota " + show_binary_bytes(quota_.bytes) + " of client " + quoted(client_) + ", used " +
                    show_binary_bytes(quota_.used - std::min(quota_.used, charged_)) +
                    " before, this backup needs at least " + show_binary_bytes(charged_ + bytes) +
                    " more; an administrator can raise it in backline.conf, or make room with bkdb keep and "
                    "bkdb clean");
  }
  quota_.used += bytes;
  charged_ += bytes;
  unsettled_ += bytes;
}

// A count that was made anew since does not know yet what this writer put.
void WriterImpl::settle() {
  if (quota_.bytes == 0) return;
  std::optional<UsageLedger::State> state = ledger_.add(unsettled_);
  if (!state) {
    count_usage(store_, client_);
    state = ledger_.add(charged_);
  } else if (generation_ != 0 && state->generation != generation_) {
    state = ledger_.add(charged_ - unsettled_);
  }
  unsettled_ = 0;
  if (!state) return;
  generation_ = state->generation;
  quota_.used = state->bytes;
}

// Said once more when it is done: a clean that begins between the two still saw the checkpoint, and must not
// take the reason of the next one away.
void WriterImpl::forget_checkpoint() {
  const auto say = [&] {
    replace_durably(given_up_file(store_.layout()), pack_name(new_number()).substr(0, 16) + "\n");
  };
  say();
  (void)CheckpointFolder(store_.layout(), client_).remove(module_, method_, name_);
  say();
}

void WriterImpl::save_checkpoint(const CheckpointRecord& record) {
  if (record.client != client_ || record.module != module_ || record.method != method_ ||
      record.name != name_)
    throw Error(Kind::Usage, "a checkpoint of another source than its writer's");
  sync();
  crash_point("store.checkpoint-synced");
  CheckpointFolder(store_.layout(), client_).save(record);
  crash_point("store.checkpoint-saved");
  possession_.fold();
}

SnapshotRecord WriterImpl::commit(SnapshotRecord record) {
  if (record.client != client_ || record.module != module_ || record.method != method_ ||
      record.name != name_)
    throw Error(Kind::Usage, "a snapshot of another source than its writer's");
  if (record.root.content.size() > kRootExtents)
    record.root.content = fold_extents(*this, record.root.content);
  if (record.skipped.size() > kMaxSkippedLines) record.skipped.resize(kMaxSkippedLines);
  sync();
  SnapshotRecord done = SnapshotLog(store_.layout(), store_.id(), client_).append(std::move(record));
  if (CheckpointFolder(store_.layout(), client_).remove(module_, method_, name_))
    crash_point("store.checkpoint-removed");
  possession_.note_snapshot();
  possession_.fold();
  store_.index().merge_if_idle();
  return done;
}

}  // namespace bk::store
