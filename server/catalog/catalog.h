// SQLite tables over snapshots and runs: a cache for fast listing and status, rebuilt from the store by `bkdb
// build` (I3).
#pragma once

#include "common/time/time.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bk::server {

struct CatalogSnapshot {
  std::string id, client, module, method, name;
  std::uint64_t sequence = 0, files = 0, bytes = 0, skipped = 0;
  Timestamp began, ended;
};

class Catalog {
 public:
  // Opens or creates <home>/catalog.db (WAL, synchronous=FULL).  A damaged file is set aside as
  // catalog.db.damaged-<time> and an empty one made; `was_damaged` then says so, and the caller rebuilds.
  explicit Catalog(const std::string& path);
  ~Catalog();
  void add(const CatalogSnapshot& snapshot);                  // idempotent by id; durable on return
  void replace_all(const std::vector<CatalogSnapshot>& all);  // one transaction
  [[nodiscard]] std::vector<CatalogSnapshot> list(const std::string& client = {}) const;
  [[nodiscard]] bool was_damaged() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bk::server
