#include "server/store/possession.h"

#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/io/lock.h"
#include "common/io/temporary.h"
#include "common/path/names.h"
#include "common/text/document.h"
#include "common/text/escape.h"
#include "server/store/bad_sectors.h"

#include <fcntl.h>

#include <cstring>
#include <utility>

namespace bk::store {
namespace {

constexpr std::size_t kMaxRecent = 1U << 17U;  // keys in memory, about 7 MiB, then a run
constexpr std::uint64_t kHeldBytes = 8U << 20U;
constexpr std::uint64_t kMaxLogBytes = 1U << 30U;

std::string header_text(const StoreId& store) {
  Document doc("bk-possession", 1);
  doc.add("store", hex_encode({reinterpret_cast<const char*>(store.data()), store.size()}));
  return doc.write();
}

constexpr const char* kDistrusted = "/distrusted";

bool is_usable(const std::string& folder, const StoreId& store) {
  if (path_exists(folder + kDistrusted)) return false;
  const std::optional<std::string> header = read_if_readable(folder + "/header", 65536);
  return header && *header == header_text(store);
}

std::vector<Key> keys_of(std::string_view bytes) {
  std::vector<Key> keys(bytes.size() / 16);
  std::memcpy(keys.data(), bytes.data(), keys.size() * 16);
  return keys;
}

// What a client owns, and cannot be read, is made anew by its next writer.
RunSet no_runs(const std::string& folder, const StoreId& store) {
  return {folder, store, RunKind::Keys, kHeldBytes, [folder](const std::string& run) -> std::string {
            if (!has_media_error(run)) return {};
            replace_durably(folder + kDistrusted, "");
            return ", which the client's next backup makes anew";
          }};
}

// A log's keys; none of one that the disk does not give back: its client sends that again.
std::vector<Key> what_can_be_read(int fd) {
  try {
    return keys_of(read_rest(fd, kMaxLogBytes));
  } catch (const Error& error) {
    if (!is_media_error(error)) throw;
    return {};
  }
}

}  // namespace

ClientPossession::ClientPossession(const Layout& layout, const StoreId& store, const std::string& client,
                                   Index& index, const Walk& walk)
    : folder_(layout.possession(client)), store_(store), index_(index), runs_(no_runs(folder_, store)) {
  ensure_directory(folder_);
  const FileLock lock = FileLock::exclusive(folder_ + "/lock");
  bool usable = false;
  try {
    runs_.reload();
    usable = is_usable(folder_, store);
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt && !is_media_error(error)) throw;
  }
  counts_ = Counts::load(layout, store, client, kHeldBytes);
  if (!usable) rebuild(walk);
  take_up_logs();
  runs_.merge(kMergeInCommit);
}

ClientPossession::~ClientPossession() {
  try {
    fold();
  } catch (const Error&) {
    // The log stays and the next writer takes it up.
  }
}

// Waits for nobody: a writer that walks its client's snapshots holds the lock meanwhile, and may wait for the
// index, which a rebuild that comes here has locked.  What that writer makes is distrusted, too.
void ClientPossession::distrust(const Layout& layout, const std::string& client) {
  const std::string folder = layout.possession(client);
  if (!is_directory(folder)) return;
  Counts::discard(layout, client);
  replace_durably(folder + kDistrusted, "");
}

std::vector<std::string> ClientPossession::runs(const Layout& layout, const std::string& client) {
  std::vector<std::string> out;
  const std::string folder = layout.possession(client);
  if (!is_directory(folder)) return out;
  for (const std::string& name : list_directory(folder))
    if (name.ends_with(".run")) out.push_back(name);
  return out;
}

void ClientPossession::let_go(const Layout& layout, const StoreId& store, const std::string& client,
                              const std::vector<std::string>& runs, const Walk& unfinished) {
  if (runs.empty()) return;
  const std::string folder = layout.possession(client);
  const std::optional<Counts> counts = Counts::load(layout, store, client);
  if (!counts) return;
  const FileLock lock = FileLock::exclusive(folder + "/lock");
  RunSet kept(folder, store, RunKind::Keys, 0);
  std::vector<Key> keys;
  const auto write = [&] {
    if (!keys.empty()) kept.add_keys(std::exchange(keys, {}));
  };
  unfinished(&*counts, [&](const ChunkId& id) {
    keys.push_back(key_of(store, id));
    if (keys.size() >= kMaxRecent) write();
  });
  write();
  for (const std::string& name : runs) remove_durably(folder + "/" + name);
}

void ClientPossession::distrust_all(const Layout& layout) {
  const std::string folder = layout.index + "/possession";
  if (!is_directory(folder)) return;
  for (const std::string& name : list_directory(folder)) distrust(layout, name);
}

std::vector<std::string> ClientPossession::remembered(const Layout& layout) {
  std::vector<std::string> out;
  const std::string folder = layout.index + "/possession";
  if (!is_directory(folder)) return out;
  for (const std::string& name : list_directory(folder))
    if (is_safe_name(name) && path_exists(layout.possession(name) + "/has-snapshots")) out.push_back(name);
  return out;
}

void ClientPossession::note_snapshot() const {
  const std::string path = folder_ + "/has-snapshots";
  if (!path_exists(path)) replace_durably(path, "");
}

void ClientPossession::rebuild(const Walk& walk) {
  remove_durably(folder_ + "/header");
  remove_durably(folder_ + kDistrusted);  // what is said from now on counts
  for (const std::string& name : list_directory(folder_)) {
    if (name.ends_with(".run")) remove_durably(folder_ + "/" + name);
  }
  runs_ = no_runs(folder_, store_);
  std::vector<Key> keys;
  const auto write = [&] {
    if (!keys.empty()) runs_.add_keys(std::exchange(keys, {}));
    runs_.merge();
  };
  walk(counts_ ? &*counts_ : nullptr, [&](const ChunkId& id) {
    keys.push_back(key_of(store_, id));
    if (keys.size() >= kMaxRecent) write();
  });
  write();
  replace_durably(folder_ + "/header", header_text(store_));
  crash_point("store.possession-rebuilt");
}

// A log is owned by its writer's lock; one that can be locked belongs to nobody any more.
void ClientPossession::take_up_logs() {
  for (const std::string& name : list_directory(folder_)) {
    if (!name.ends_with(".log")) continue;
    const std::string path = folder_ + "/" + name;
    Fd fd;
    try {
      fd = open_file(path, O_RDWR | O_NOFOLLOW);
    } catch (const Error& error) {
      if (error.sys_errno() == ENOENT) continue;  // its writer made a run of it just now
      if (is_media_error(error)) continue;        // its client sends that again
      throw;
    }
    if (!try_lock_descriptor(fd.get())) continue;
    std::vector<Key> keys = what_can_be_read(fd.get());
    if (!keys.empty()) runs_.add_keys(std::move(keys));
    remove_durably(path);
  }
}

bool ClientPossession::owns(const Key& key) const {
  return recent_.contains(key) || runs_.contains(key) || (counts_ && counts_->names(key));
}

std::vector<bool> ClientPossession::has(std::span<const ChunkId> ids) {
  std::vector<Key> keys;
  keys.reserve(ids.size());
  for (const ChunkId& id : ids) keys.push_back(key_of(store_, id));
  std::vector<bool> owned(ids.size(), false);
  for (std::size_t i = 0; i < keys.size(); ++i) owned[i] = recent_.contains(keys[i]);
  runs_.find_many(keys, [&](std::size_t i, const Run&, std::uint64_t) { owned[i] = true; });
  if (counts_) {
    const std::vector<std::int64_t> counts = counts_->of(keys);
    for (std::size_t i = 0; i < counts.size(); ++i) owned[i] = owned[i] || counts[i] > 0;
  }
  std::vector<ChunkId> candidates;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (owned[i]) candidates.push_back(ids[i]);
  }
  const std::vector<bool> stored = index_.contains(ObjectKind::Data, candidates);
  for (std::size_t i = 0, at = 0; i < ids.size(); ++i) {
    if (owned[i]) owned[i] = stored[at++];
  }
  return owned;
}

void ClientPossession::add(const ChunkId& id) {
  if (!owns(key_of(store_, id))) add_new(id);
}

void ClientPossession::add_new(const ChunkId& id) {
  const Key key = key_of(store_, id);
  if (!recent_.insert(key).second) return;
  pending_.append(reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size());
}

void ClientPossession::flush() {
  if (pending_.empty()) return;
  while (!log_) {
    log_path_ = folder_ + "/" + pack_name(new_number()).substr(0, 16) + ".log";
    if (std::optional<Fd> owned = try_create_owned(log_path_)) log_ = *std::move(owned);
  }
  write_all(log_.get(), pending_);
  pending_.clear();
  if (recent_.size() >= kMaxRecent) fold();
}

void ClientPossession::fold() {
  if (recent_.empty()) return;
  runs_.add_keys({recent_.begin(), recent_.end()});
  recent_.clear();
  pending_.clear();
  if (runs_.runs().size() >= 8) {
    if (const std::optional<FileLock> lock = FileLock::try_exclusive(folder_ + "/lock")) {
      runs_.reload();
      runs_.merge(kMergeInCommit);
    }
  }
  if (!log_) return;
  remove_durably(log_path_);
  log_.reset();
}

PossessionView::PossessionView(const Layout& layout, const StoreId& store, const std::string& client) {
  const std::string folder = layout.possession(client);
  try {
    if (!is_usable(folder, store)) return;
    RunSet runs(folder, store, RunKind::Keys, kHeldBytes);
    runs.reload();
    counts_ = Counts::load(layout, store, client, kHeldBytes);
    runs_ = std::move(runs);
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt && !is_media_error(error)) throw;
  }
}

}  // namespace bk::store
