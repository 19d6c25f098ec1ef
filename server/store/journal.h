// The file a writer appends its groups to.  It has the form of a pack; when it is large enough it is sealed
// and renamed into packs/, so nothing is copied and locations stay true.
//
// One writer at a time owns a journal (flock).  A writer takes over a journal that nobody owns before it
// makes a new one, so small sources share a pack.  Taking over salvages: what stands behind the last whole
// record after a crash is cut off, unless a valid record follows it; then the file was damaged and not torn,
// nothing is cut, and it is retired to packs/ as it is, for check_structure() to report.
//
// One that the disk does not let be read, as a whole or in part, is left alone by writers: the next look may
// find it readable, and `bkdb heal` sets it aside (heal.h).
//
// In a copy of a store that was taken while a journal became a pack, both stand.  Nobody appends to such a
// journal: it goes when the pack has all that it has, and stays as it is otherwise.
#pragma once

#include "common/io/bulk.h"
#include "common/io/fd.h"
#include "common/io/lock.h"
#include "server/store/layout.h"
#include "server/store/scan.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace bk::store {

inline constexpr std::uint64_t kPackTargetBytes = 32U << 20U;

class Journal {
 public:
  // Called with a finished pack before it becomes an object: its index entries must be durable on return.
  // What it returns is held until the object stands.
  using Retire = std::function<FileLock(std::uint64_t number)>;

  // Takes over an unowned journal or makes a new one.
  [[nodiscard]] static Journal acquire(const Layout& layout, const StoreId& store, const Retire& retire);

  // Makes a pack of a journal that nobody owns; true when it is one now.
  [[nodiscard]] static bool seal(const Layout& layout, const PackRef& pack, const Retire& retire);

  // Makes a pack, as it is, of a journal that cannot be read as a whole: `owned` is its file.  It has no seal
  // and no parity.
  static void set_aside(const Layout& layout, const PackRef& pack, Fd owned, const Retire& retire);

  // The journal's file, owned from now on; nothing when it is gone or a writer owns it.
  [[nodiscard]] static std::optional<Fd> try_own(const std::string& path);

  // Appends a record; returns its offset.  On an error nothing of it remains; throws Io.
  std::uint64_t append(RecordHead head, std::string_view payload);
  // Everything appended is durable when it returns.
  void sync();
  [[nodiscard]] bool full() const { return end_ >= kPackTargetBytes; }
  // sync(), seal, retire, give to the storage durably.  The object is then spent.
  void finish(const Retire& retire);
  [[nodiscard]] std::uint64_t number() const { return pack_.number; }
  [[nodiscard]] std::uint64_t end() const { return end_; }  // where the next record goes

 private:
  Journal(const Layout& layout, const PackRef& pack, Fd fd)
      : layout_(layout), pack_(pack), fd_(std::move(fd)) {}
  [[nodiscard]] static std::optional<Journal> try_take(const Layout& layout, const PackRef& pack,
                                                       const Retire& retire);
  [[nodiscard]] static Journal create(const Layout& layout, const StoreId& store);
  [[nodiscard]] bool salvage(const Retire& retire);
  void drop_double(ObjectReader& pack);
  void move_to_packs(const Retire& retire, bool with_parity = true);
  void account(const RecordHead& head, std::string_view digest);

  Layout layout_;
  PackRef pack_;
  Fd fd_;
  std::uint64_t end_ = 0;         // where the next record goes
  std::uint64_t synced_end_ = 0;  // everything before is durable
  std::uint64_t groups_ = 0;
  Sha256 digests_;      // over the head digests so far
  WriteBehind behind_;  // large groups of data: read again only by a restore
};

}  // namespace bk::store
