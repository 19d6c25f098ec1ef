#include "server/catalog/catalog.h"

#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/io/media.h"
#include "common/sqlite/sqlite.h"
#include "common/text/escape.h"

#include <fmt/format.h>

#include <optional>

namespace bk::server {
namespace {

constexpr std::int64_t kVersion = 1;
constexpr std::int64_t kApplication = 0x426b4331;  // "BkC1"
constexpr const char* kSchema = R"(
  CREATE TABLE IF NOT EXISTS snapshots (
    id BLOB PRIMARY KEY, client BLOB NOT NULL, module BLOB NOT NULL, method BLOB NOT NULL, name BLOB NOT NULL,
    sequence INTEGER NOT NULL, files INTEGER NOT NULL, bytes INTEGER NOT NULL, skipped INTEGER NOT NULL,
    began_s INTEGER NOT NULL, began_ns INTEGER NOT NULL, ended_s INTEGER NOT NULL, ended_ns INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS snapshots_by_source ON snapshots (client, method, module, name, sequence);
)";

std::int64_t pragma(sqlite::Database& db, const std::string& name) {
  sqlite::Statement read = db.prepare("PRAGMA " + name);
  const std::int64_t value = read.step() ? read.number(0) : 0;
  while (read.step()) {
  }
  return value;
}

void prepare_schema(sqlite::Database& db, const std::string& path) {
  const std::int64_t version = pragma(db, "user_version");
  if (version > kVersion)
    throw Error(Kind::Config, fmt::format("catalog {} has version {}, and this program knows up to {}",
                                          quoted(path), version, kVersion));
  if (version == kVersion) return;
  db.transaction([&] {
    db.execute(kSchema);
    db.execute(fmt::format("PRAGMA application_id={}", kApplication));
    db.execute(fmt::format("PRAGMA user_version={}", kVersion));
  });
}

// A free name of the form catalog.db.damaged-<time>[-n].
std::string aside_name(const std::string& path) {
  const std::string base = path + ".damaged-" + std::to_string(SystemClock().now().seconds);
  std::string name = base;
  for (int n = 1; path_exists(name); ++n) name = base + "-" + std::to_string(n);
  return name;
}

void set_aside(const std::string& path) {
  // The write-ahead log belongs to the damaged file; beside a new one it would be replayed into it.
  remove_durably(path + "-wal");
  remove_durably(path + "-shm");
  rename_durably(path, aside_name(path));
  crash_point("catalog.set_aside");
}

std::unique_ptr<sqlite::Database> open_sound(const std::string& path) {
  auto db = std::make_unique<sqlite::Database>(path);
  prepare_schema(*db, path);
  if (!db->is_sound()) throw Error(Kind::Corrupt, "catalog " + quoted(path) + " is damaged");
  return db;
}

void bind_row(sqlite::Statement& insert, const CatalogSnapshot& s) {
  insert.bind(1, s.id).bind(2, s.client).bind(3, s.module).bind(4, s.method).bind(5, s.name);
  insert.bind(6, s.sequence).bind(7, s.files).bind(8, s.bytes).bind(9, s.skipped);
  insert.bind(10, s.began.seconds).bind(11, std::int64_t{s.began.nanoseconds});
  insert.bind(12, s.ended.seconds).bind(13, std::int64_t{s.ended.nanoseconds});
}

CatalogSnapshot read_row(const sqlite::Statement& row) {
  CatalogSnapshot s{row.bytes(0),
                    row.bytes(1),
                    row.bytes(2),
                    row.bytes(3),
                    row.bytes(4),
                    row.count(5),
                    row.count(6),
                    row.count(7),
                    row.count(8),
                    {},
                    {}};
  s.began = {row.number(9), static_cast<std::uint32_t>(row.number(10))};
  s.ended = {row.number(11), static_cast<std::uint32_t>(row.number(12))};
  return s;
}

constexpr const char* kInsert = "INSERT OR REPLACE INTO snapshots VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)";

}  // namespace

struct Catalog::Impl {
  std::unique_ptr<sqlite::Database> db;
  bool damaged = false;
};

Catalog::Catalog(const std::string& path) : impl_(std::make_unique<Impl>()) {
  try {
    impl_->db = open_sound(path);
  } catch (const Error& error) {
    // What the disk does not give back is made anew, too.
    const bool lost = has_media_error(path) || has_media_error(path + "-wal");
    if (error.kind() != Kind::Corrupt && !lost) throw;
    set_aside(path);
    impl_->damaged = true;
    impl_->db = open_sound(path);
  }
}

Catalog::~Catalog() = default;

void Catalog::add(const CatalogSnapshot& snapshot) {
  sqlite::Statement insert = impl_->db->prepare(kInsert);
  bind_row(insert, snapshot);
  insert.run();
  crash_point("catalog.add");
}

void Catalog::remove(const std::vector<std::string>& ids) {
  impl_->db->transaction([&] {
    sqlite::Statement statement = impl_->db->prepare("DELETE FROM snapshots WHERE id = ?");
    for (const std::string& id : ids) {
      statement.bind(1, id);
      statement.run();
    }
  });
  crash_point("catalog.remove");
}

void Catalog::replace_all(const std::vector<CatalogSnapshot>& all) {
  impl_->db->transaction([&] {
    impl_->db->execute("DELETE FROM snapshots");
    sqlite::Statement insert = impl_->db->prepare(kInsert);
    for (const CatalogSnapshot& snapshot : all) {
      bind_row(insert, snapshot);
      insert.run();
    }
    crash_point("catalog.before_commit");
  });
  crash_point("catalog.replace_all");
}

std::vector<CatalogSnapshot> Catalog::list(const std::string& client) const {
  sqlite::Statement query = impl_->db->prepare(
      "SELECT * FROM snapshots WHERE ?1 = x'' OR client = ?1 ORDER BY client, method, module, name, "
      "sequence");
  query.bind(1, client);
  std::vector<CatalogSnapshot> out;
  while (query.step()) out.push_back(read_row(query));
  return out;
}

std::uint64_t Catalog::size() const {
  sqlite::Statement query = impl_->db->prepare("SELECT count(*) FROM snapshots");
  const std::uint64_t count = query.step() ? query.count(0) : 0;
  while (query.step()) {
  }
  return count;
}

bool Catalog::was_damaged() const { return impl_->damaged; }

}  // namespace bk::server
