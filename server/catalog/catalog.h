// SQLite tables over snapshots: a cache for fast listing and status, rebuilt from the store by `bkdb build`
// (I3).
//
// A row is written after the snapshot's record is durable in the store and before the receipt (I2), so a
// crash can leave a record without a row, never a row without a record.  Whoever needs the truth reads the
// store. Format: docs/formats/catalog.md.
//
// One Catalog belongs to one thread; several processes may have one open.  Errors: Io, Transient (another
// writer for more than ten seconds), Corrupt (damage met after opening), Config (a newer version's file).
#pragma once

#include "common/time/time.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace bk::server {

struct CatalogSnapshot {
  std::string id, client, module, method, name;
  std::uint64_t sequence = 0, files = 0, bytes = 0, skipped = 0;
  Timestamp began, ended;
  bool operator==(const CatalogSnapshot&) const = default;
};

class Catalog {
 public:
  // Opens or creates <home>/catalog.db (WAL, synchronous=FULL).  A damaged file is set aside as
  // catalog.db.damaged-<time> and an empty one made; was_damaged() then says so, and the caller rebuilds.
  explicit Catalog(const std::string& path);
  ~Catalog();
  void add(const CatalogSnapshot& snapshot);                  // idempotent by id; durable on return
  void remove(const std::vector<std::string>& ids);           // those that are there; durable on return
  void replace_all(const std::vector<CatalogSnapshot>& all);  // one transaction; durable on return
  // Sorted by client, method, module, name, sequence.
  [[nodiscard]] std::vector<CatalogSnapshot> list(const std::string& client = {}) const;
  [[nodiscard]] std::uint64_t size() const;
  [[nodiscard]] bool was_damaged() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bk::server
