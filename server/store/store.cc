#include "server/store/store.h"

#include "common/crypt/key_file.h"
#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/path/names.h"
#include "common/random/random.h"
#include "common/storage/folder_storage.h"
#include "common/text/escape.h"
#include "server/store/bad_sectors.h"
#include "server/store/checkpoint_folder.h"
#include "server/store/covered_storage.h"
#include "server/store/heal.h"
#include "server/store/heal_content.h"
#include "server/store/parity.h"
#include "server/store/reserve.h"
#include "server/store/store_impl.h"
#include "server/store/writer.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <tuple>
#include <utility>

namespace bk::store {
namespace {

// What it costs and brings: docs/decisions/chunk-size.md.
constexpr ChunkerParams kNewStoreChunks{2048, 8192, 32768};
constexpr std::uint64_t kMarksNeed = 2U << 20U;  // bytes of free disk
constexpr int kLooks = 4;                        // for a chunk that was not where it was

Layout layout_of(std::shared_ptr<Storage> storage, const std::string& directory, const std::string& index,
                 const StoreSettings& settings = {}) {
  Layout layout;
  layout.parity_percent = settings.parity_percent;
  layout.reserve_bytes = settings.reserve_bytes;
  layout.storage = std::move(storage);
  layout.store = clean_absolute(directory);
  layout.index = index.empty() ? default_index(layout.store) : clean_absolute(index);
  return layout;
}

bool is_empty(const std::string& directory) {
  return !path_exists(directory) || list_directory(directory).empty();
}

// The header comes last: a folder with a header is a store.
void create_store(const Layout& layout, const StoreSettings& settings) {
  const bool objects = !layout.storage->list("", "", 1).empty();
  if (objects || !is_empty(layout.journals()) || !is_empty(layout.snapshots())) {
    // Who made it since we looked for a header wrote nothing else before that.
    if (layout.storage->exists(Layout::kHeaderObject)) return;
    throw Error(Kind::Corrupt, "the store " + quoted(layout.store) +
                                   " has no header but holds data; put its header file back from a copy");
  }
  for (const std::string& folder : {layout.store, layout.journals(), layout.snapshots()})
    ensure_directory(folder);
  StoreHeader header;
  header.chunker = kNewStoreChunks;
  std::memcpy(header.id.data(), SystemRandom().bytes(header.id.size()).data(), header.id.size());
  if (!settings.key_file.empty()) header.key_name = key_name(load_key(settings.key_file));
  (void)layout.storage->put(Layout::kHeaderObject,
                            write_header(header));  // false: somebody else made it just now
  crash_point("store.created");
}

StoreHeader read_header(const Layout& layout) {
  std::optional<std::string> text;
  try {
    text = layout.storage->get(Layout::kHeaderObject, 65536);
  } catch (const Error& error) {
    if (error.sys_errno() != EFBIG) throw;
    throw Error(Kind::Corrupt, quoted(layout.storage->shown(Layout::kHeaderObject)) + " is no header");
  }
  if (!text)
    throw Error(Kind::Config, quoted(layout.store) + " is not a Backline store: it has no file \"header\"");
  try {
    return parse_header(*text);
  } catch (const Error& error) {
    const bool newer = text->starts_with("bk-store ") && !text->starts_with("bk-store 1\n");
    const Kind kind = newer || error.kind() == Kind::Config ? Kind::Config : Kind::Corrupt;
    throw Error(kind, quoted(layout.storage->shown(Layout::kHeaderObject)) + ": " + error.what());
  }
}

// The keys of the header's domain.
std::shared_ptr<const Domain> domain_of(const Layout& layout, const StoreHeader& header,
                                        const std::string& key_file) {
  const auto refuse = [&](const std::string& why) {
    throw Error(Kind::Config, "the store " + quoted(layout.store) + " " + why);
  };
  if (header.key_name.empty()) {
    if (!key_file.empty())
      refuse("is not encrypted although a key file is configured: take it out, or make a new store");
    return nullptr;
  }
  if (key_file.empty())
    refuse("is encrypted with the key " + header.key_name + ": name its file as key_file below [store]");
  const SecretKey key = load_key(key_file);
  if (key_name(key) != header.key_name)
    refuse("is encrypted with the key " + header.key_name + ", and " + quoted(key_file) + " holds " +
           key_name(key));
  return std::make_shared<const Domain>(
      key, std::string_view(reinterpret_cast<const char*>(header.id.data()), header.id.size()));
}

std::unique_ptr<Store> open_layout(Layout layout, const StoreSettings& settings, bool read_only) {
  StoreHeader header = read_header(layout);
  header.id.domain = layout.domain = domain_of(layout, header, settings.key_file);
  const auto how = read_only              ? StoreImpl::Opening::ToRead
                   : settings.index_later ? StoreImpl::Opening::ToRebuild
                                          : StoreImpl::Opening::ToWrite;
  return std::make_unique<StoreImpl>(std::move(layout), std::move(header), how);
}

auto order_of(const SnapshotRecord& r) { return std::tie(r.client, r.module, r.method, r.name, r.sequence); }

}  // namespace

std::unique_ptr<Store> Store::open(const std::string& directory, bool create, const std::string& index,
                                   const StoreSettings& settings) {
  return open_on(std::make_shared<FolderStorage>(clean_absolute(directory)), directory, create, index,
                 settings);
}

std::unique_ptr<Store> Store::open_on(std::shared_ptr<Storage> storage, const std::string& directory,
                                      bool create, const std::string& index, const StoreSettings& settings) {
  Layout layout = layout_of(std::move(storage), directory, index, settings);
  if (create && !layout.storage->exists(Layout::kHeaderObject)) create_store(layout, settings);
  return open_layout(std::move(layout), settings, false);
}

std::unique_ptr<Store> Store::open_to_read(const std::string& directory, const std::string& index,
                                           const StoreSettings& settings) {
  return open_layout(
      layout_of(std::make_shared<FolderStorage>(clean_absolute(directory)), directory, index, settings),
      settings, true);
}

// Who may only read cannot look for packs that no run covers either: that takes a lock.
StoreImpl::StoreImpl(Layout layout, StoreHeader header, Opening how)
    : layout_(std::move(layout)),
      header_(std::move(header)),
      index_(layout_, header_.id),
      reader_(layout_, header_.id),
      may_lock_(how != Opening::ToRead) {
  if (how == Opening::ToRead) {
    index_.open_to_read();
    return;
  }
  for (const std::string& folder : {layout_.journals(), layout_.snapshots()}) ensure_directory(folder);
  index_.open(how == Opening::ToRebuild);
  for (const std::string& client : list_clients(layout_)) {
    // One client's journal must not close the store to all others; whoever needs it is told.
    SnapshotLog log(layout_, header_.id, client);
    try {
      if (!log.needs_repair()) continue;
    } catch (const Error&) {
      continue;  // it cannot be read
    }
    try {
      log.repair();
    } catch (const Error& error) {
      // The last: who only reads.
      if (error.kind() != Kind::Corrupt && !is_media_error(error) && !is_no_right_to_write(error)) throw;
    }
  }
}

StoreImpl::~StoreImpl() = default;

std::unique_ptr<Writer> StoreImpl::writer(const std::string& client, const std::string& module,
                                          const std::string& method, const std::string& name) {
  require_safe_name("client", client);
  require_safe_name("module", module);
  require_safe_name("method", method);
  index_.refresh();
  keep_reserve(layout_.store, layout_.reserve_bytes);
  return std::make_unique<WriterImpl>(*this, client, module, method, name);
}

// A chunk may stand in several places: one that the disk refuses is no reason not to look at the others.
std::optional<std::string_view> StoreImpl::try_read(ObjectKind kind, const ChunkId& id,
                                                    Hindrance& hindrance) {
  for (const Location& where : index_.find(kind, id)) {
    try {
      return reader_.chunk(where, kind, id);
    } catch (const Error& error) {
      if (is_media_error(error))
        hindrance.unreadable = error;
      else if (error.kind() != Kind::Corrupt && error.kind() != Kind::NotFound)
        throw;  // not found: cleaned away since it was opened
      else if (error.kind() == Kind::Corrupt && hindrance.damage.empty())
        hindrance.damage = error.what();
      reader_.forget(where.pack);
    }
  }
  return std::nullopt;
}

std::string_view StoreImpl::view(ObjectKind kind, const ChunkId& id) {
  Hindrance hindrance;
  if (const auto found = try_read(kind, id, hindrance)) return *found;
  for (WriterImpl* writer : writers_) writer->flush();
  // A clean that moves it between the look at the journals and that at the runs is seen in neither.
  for (int look = 0; look < kLooks; ++look) {
    index_.refresh();
    index_.reload_runs();
    if (const auto found = try_read(kind, id, hindrance)) return *found;
  }
  // A rebuild has taken the runs away; or a pack is in none, which is looked for once.
  if (may_lock_) {
    catch_up(!std::exchange(reconciled_, true));
    if (const auto found = try_read(kind, id, hindrance)) return *found;
  }
  if (!may_lock_ && !index_.usable())
    throw Error(Kind::Transient, "chunk " + id.hex() +
                                     " is not found while the index is being made anew; try again when "
                                     "`bkdb build` has ended");
  if (const auto elsewhere = index_.problem(); elsewhere && !hindrance.unreadable && hindrance.damage.empty())
    hindrance.unreadable = Error(Kind::Io, "chunk " + id.hex() + " is nowhere else, and " + *elsewhere);
  if (hindrance.unreadable && past_bad_sectors_) throw Unreadable(*hindrance.unreadable);
  if (hindrance.unreadable) throw Error(*hindrance.unreadable);
  throw Error(Kind::Corrupt, hindrance.damage.empty() ? "chunk " + id.hex() + " is missing from the store"
                                                      : hindrance.damage);
}

// A rebuild may have taken the runs away.
std::vector<bool> StoreImpl::present(ObjectKind kind, std::span<const ChunkId> ids) {
  std::vector<bool> out = index_.contains(kind, ids);
  if (!may_lock_ || std::find(out.begin(), out.end(), false) == out.end()) return out;
  catch_up(false);
  return index_.contains(kind, ids);
}

void StoreImpl::catch_up(bool reconcile) {
  try {
    reconcile ? index_.reconcile() : index_.catch_up();
  } catch (const Error& error) {
    if (!is_no_right_to_write(error)) throw;  // not even a lock: nobody else writes here then
  }
}

std::string StoreImpl::read(ObjectKind kind, const ChunkId& id) { return std::string(view(kind, id)); }

std::vector<std::pair<Location, std::size_t>> StoreImpl::in_storage_order(
    ObjectKind kind, std::span<const ChunkId> ids) const {
  std::vector<std::pair<Location, std::size_t>> order;
  order.reserve(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) order.emplace_back(Location{}, i);
  index_.find_many(ids, [&](std::size_t i, const Location& where) {
    if (where.kind == kind && order[i].first.pack == 0) order[i].first = where;
  });
  std::sort(order.begin(), order.end());
  return order;
}

void StoreImpl::read_many(ObjectKind kind, std::span<const ChunkId> ids,
                          const std::function<void(std::size_t, std::string_view)>& sink) {
  for (const auto& [where, i] : in_storage_order(kind, ids)) sink(i, view(kind, ids[i]));
}

void StoreImpl::read_scattered(ObjectKind kind, std::span<const ChunkId> ids,
                               const std::function<void(std::size_t, std::string_view)>& sink) {
  const auto order = in_storage_order(kind, ids);
  for (std::size_t at = 0, end = 0; at < order.size(); ++at) {
    const Location& where = order[at].first;
    const auto same_group = [&](const Location& other) {
      return other.pack == where.pack && other.offset == where.offset;
    };
    for (end = std::max(end, at + 1); end < order.size() && same_group(order[end].first);) ++end;
    if (where.pack != 0) reader_.prepare(where, order[end - 1].first.position);
    sink(order[at].second, view(kind, ids[order[at].second]));
  }
}

std::vector<std::optional<StoredPlace>> StoreImpl::locate(ObjectKind kind, std::span<const ChunkId> ids) {
  std::vector<std::optional<StoredPlace>> out(ids.size());
  const auto look = [&](std::span<const ChunkId> some, std::size_t from) {
    index_.find_many(some, [&](std::size_t i, const Location& where) {
      if (where.kind == kind && !out[from + i])
        out[from + i] = StoredPlace{where.pack, where.offset, where.position};
    });
  };
  look(ids, 0);
  if (std::all_of(out.begin(), out.end(), [](const auto& place) { return place.has_value(); })) return out;
  index_.refresh();
  index_.reload_runs();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (!out[i]) look(ids.subspan(i, 1), i);
  }
  return out;
}

bool StoreImpl::owns_group(const std::string& client, const StoredPlace& place) {
  require_safe_name("client", client);
  const PossessionView& owner = owners_.try_emplace(client, layout_, header_.id, client).first->second;
  try {
    const std::vector<StoredChunk> chunks = reader_.chunks(place.pack, place.offset);
    return std::all_of(chunks.begin(), chunks.end(),
                       [&](const StoredChunk& chunk) { return owner.owns(chunk.id); });
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt && error.kind() != Kind::NotFound && !is_media_error(error)) throw;
    return false;
  }
}

std::vector<SnapshotRecord> StoreImpl::snapshots(const std::string& client,
                                                 const std::function<void(const std::string&)>& damaged) {
  std::vector<SnapshotRecord> out;
  for (const std::string& name : client.empty() ? list_clients(layout_) : std::vector<std::string>{client}) {
    std::vector<SnapshotRecord> part = SnapshotLog(layout_, header_.id, name).all(damaged);
    std::move(part.begin(), part.end(), std::back_inserter(out));
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return order_of(a) < order_of(b); });
  return out;
}

std::optional<SnapshotRecord> StoreImpl::newest(const std::string& client, const std::string& module,
                                                const std::string& method, const std::string& name) {
  require_safe_name("client", client);
  return SnapshotLog(layout_, header_.id, client).newest(module, method, name);
}

void StoreImpl::mark_snapshots(const std::string& client, const MarkTemplate& what,
                               std::span<const std::string> ids) {
  require_safe_name("client", client);
  const ReserveUse reserve(layout_, kMarksNeed);
  SnapshotLog(layout_, header_.id, client).mark(what, ids);
}

std::map<std::string, SnapshotMark> StoreImpl::holds(const std::string& client) {
  require_safe_name("client", client);
  return SnapshotLog(layout_, header_.id, client).holds();
}

std::optional<CheckpointRecord> StoreImpl::checkpoint(const std::string& client, const std::string& module,
                                                      const std::string& method, const std::string& name) {
  require_safe_name("client", client);
  std::optional<CheckpointRecord> found = CheckpointFolder(layout_, client).find(module, method, name);
  if (!found) return std::nullopt;
  // A commit that was killed before it removed the record.
  const std::optional<SnapshotRecord> snapshot = newest(client, module, method, name);
  if (snapshot && snapshot->began >= found->began) return std::nullopt;
  for (WriterImpl* writer : writers_) {
    if (writer->writes(client, module, method, name)) writer->pin(found->node);
  }
  return found;
}

void StoreImpl::rebuild_index(const std::function<void(std::uint64_t, std::uint64_t)>& progress, bool anew) {
  index_.rebuild(progress, anew);
  for (const std::string& client : list_clients(layout_)) ensure_possession(*this, client);
  index_.end_rebuild();
}

bool StoreImpl::was_removed(const std::string& client, const std::string& snapshot_id) {
  require_safe_name("client", client);
  return SnapshotLog(layout_, header_.id, client).was_removed(snapshot_id);
}

bool StoreImpl::was_made(const std::string& client, const std::string& snapshot_id) {
  require_safe_name("client", client);
  return SnapshotLog(layout_, header_.id, client).was_made(snapshot_id);
}

namespace {

// Whose a pack or journal says it is; nothing when its beginning is damaged or cannot be read.
std::optional<StoreId> owner_of(ObjectReader& file, std::uint64_t number) {
  BadSectors bad;
  PatientReader pack(file, bad);
  std::string head(kPackHeaderBytes, '\0');
  if (pack.read(0, head.data(), head.size()) != head.size()) return std::nullopt;
  StoreId owner{};
  std::memcpy(owner.data(), head.data() + 8, owner.size());
  try {
    check_pack_header(head, {owner, number});
    return owner;
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
    return std::nullopt;
  }
}

// Nothing contradicts it: the first pack or journal that still tells is of this store.
bool fits_packs(const Layout& layout, const StoreId& store) {
  std::optional<StoreId> owner;
  for_each_object(*layout.storage, Layout::kPackObjects, [&](const ListedObject& object) {
    const auto number = pack_number(base_name(object.name));
    const auto pack = number ? open_if_readable(*layout.storage, object.name) : nullptr;
    if (pack) owner = owner_of(*pack, *number);
    return !owner;
  });
  if (!owner && is_directory(layout.journals()))
    for (const std::uint64_t number : list_packs(layout.journals()))
      if (const auto journal = owner ? nullptr : open_reader(layout.journal(number)))
        owner = owner_of(*journal, number);
  return !owner || *owner == store;
}

}  // namespace

bool Store::heal_header(const std::string& directory, const std::string& copy) {
  const Layout layout = layout_of(std::make_shared<FolderStorage>(clean_absolute(directory)), directory, "");
  const Layout there = layout_of(std::make_shared<FolderStorage>(clean_absolute(copy)), copy, "");
  const StoreId theirs = read_header(there).id;
  try {
    const StoreId ours = read_header(layout).id;
    if (ours == theirs || fits_packs(layout, ours)) return false;
  } catch (const Error& error) {
    const bool lost = !open_if_readable(*layout.storage, Layout::kHeaderObject) || is_media_error(error);
    if (error.kind() != Kind::Corrupt && !lost) throw;  // a newer version's
  }
  if (!fits_packs(layout, theirs))
    throw Error(Kind::Config, quoted(copy) + " is another store, not a copy of this one");
  const std::optional<std::string> text = there.storage->get(Layout::kHeaderObject, 65536);
  if (!text) return false;
  ensure_directory(layout.journals());
  replace_object(layout, Layout::kHeaderObject, *text);
  return true;
}

HealTotals StoreImpl::heal(const std::string& copy, const HealReport& report,
                           const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  std::shared_ptr<FolderStorage> other;
  if (!copy.empty()) {
    other = std::make_shared<FolderStorage>(clean_absolute(copy));
    Layout there = layout_;
    there.storage = other;
    if (read_header(there).id != header_.id)
      throw Error(Kind::Config, quoted(copy) + " is another store, not a copy of this one");
  }
  // A pack that a clean removes must not come back.
  const FileLock no_clean = FileLock::exclusive(layout_.clean_lock());
  std::set<std::uint64_t> packs;
  for (const std::uint64_t number : lost_packs()) packs.insert(number);
  std::uint64_t all_bytes = 0;
  for_each_object(*layout_.storage, Layout::kPackObjects, [&](const ListedObject& object) {
    if (object.name.ends_with(".pack")) all_bytes += object.bytes;
    return true;
  });
  for (const std::uint64_t number : all_packs(layout_)) packs.insert(number);
  DamagedLast late(report);
  PackHealer healer(layout_, header_.id, other.get(), late.reporter());
  for (const std::uint64_t number : packs) {
    healer.heal(number);
    if (progress) progress(healer.totals().bytes, all_bytes);
  }
  for (const std::uint64_t number : list_packs(layout_.journals())) {
    packs.insert(number);
    healer.heal_journal(
        number, [this](std::uint64_t sealed) { return index_.retire(sealed); },
        [this](std::uint64_t sealed) { return index_.retire(sealed, true); });
  }
  if (!healer.healed().empty()) index_.read_again(healer.healed());
  for (const std::uint64_t number : noted_and_gone()) packs.insert(number);
  index_.damage().note(packs, healer.places());
  HealTotals totals = healer.totals();
  const HealReport count = [&](const HealEvent& event) {
    ++(event.what == HealEvent::What::FileDamaged ? totals.files_damaged : totals.files_healed);
    if (event.unreadable) ++totals.files_unreadable;
    report(event);
  };
  std::shared_ptr<Storage> there;
  if (other) there = covered(other, header_.id.domain);
  for (const std::string& client : list_clients(layout_))
    SnapshotLog(layout_, header_.id, client)
        .heal(layout_, {there.get(), copy.empty() ? "" : clean_absolute(copy) + "/snapshots/" + client},
              count);
  if (totals.damaged > 0 || other)
    heal_content(*this, other, copy.empty() ? "" : clean_absolute(copy), late, totals);
  late.tell();
  totals.packs_unreadable = late.unreadable();
  return totals;
}

}  // namespace bk::store
