#include "server/views/views.h"

#include "common/error/error.h"
#include "common/io/batch.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/io/temporary.h"
#include "common/path/names.h"
#include "common/text/document.h"
#include "common/text/escape.h"
#include "server/bkdb/sources.h"
#include "server/bkdb/zone.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

namespace bk::server {
namespace {

constexpr std::size_t kSlugBytes = 100;
constexpr std::size_t kBatch = 500;
constexpr const char* kSourceFile = "source.txt";

bool has_view(const store::SnapshotRecord& record) {
  return record.method != "git" && is_safe_name(record.client) && is_safe_name(record.method);
}

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
         c == '-';
}

std::string slug(const std::string& path) {
  std::string out = path;
  std::replace_if(
      out.begin(), out.end(), [](char c) { return !is_plain(c); }, '_');
  // The end of a long path says more than its beginning.
  if (out.size() > kSlugBytes) out.erase(0, out.size() - kSlugBytes);
  out.erase(0, std::min(out.find_first_not_of("_.-"), out.size()));
  return out.empty() ? "root" : out;
}

std::string source_text(const store::SnapshotRecord& r) {
  Document document("bk-source", 1);
  document.add("client", r.client).add("module", r.module).add("method", r.method).add("path", r.name);
  document.add("id", bkdb::source_id(r.client, r.module, r.method, r.name));
  return document.write();
}

// "20130905T013530Z_0123456789ab.txt"
bool is_record_file(const std::string& name) {
  const std::size_t mark = name.find("Z_");
  return mark != std::string::npos && mark >= 15 && name.ends_with(".txt") &&
         name.size() == mark + 2 + 12 + 4;
}

void write_if_different(const std::string& path, const std::string& bytes) {
  if (try_read_file(path) != bytes) replace_durably(path, bytes);
}

using Files = std::map<std::string, const store::SnapshotRecord*>;  // by name in one folder

// Writes one folder after another through batches: a sync for each file would take minutes for years of
// records.
class Rebuilder {
 public:
  explicit Rebuilder(const std::string& home) : staging_(join_path(home, "data/.staging")) {
    ensure_directory(staging_);
    batch_ = std::make_unique<DurableBatch>(staging_);
  }

  void folder(const std::string& path, const Files& files) {
    ensure_directory(path);
    (void)remove_abandoned_in(path);
    for (const std::string& name : list_directory(path))
      if (is_record_file(name) && files.count(name) == 0) remove_durably(join_path(path, name));
    put(join_path(path, kSourceFile), source_text(*files.begin()->second));
    for (const auto& [name, record] : files) put(join_path(path, name), store::write_snapshot(*record));
  }

  void finish() {
    publish();
    (void)::rmdir(staging_.c_str());  // stays when another build is at work
  }

 private:
  void put(const std::string& path, const std::string& bytes) {
    if (try_read_file(path) == bytes) return;
    batch_->add(std::to_string(::getpid()) + "-" + std::to_string(waiting_), bytes, path, true);
    if (++waiting_ == kBatch) publish();
  }

  void publish() {
    batch_->sync();
    batch_->publish("views.rebuild");
    waiting_ = 0;
  }

  std::string staging_;
  std::unique_ptr<DurableBatch> batch_;
  std::size_t waiting_ = 0;
};

}  // namespace

std::string view_folder(const std::string& client, const std::string& module, const std::string& method,
                        const std::string& name) {
  return "data/" + client + "/" + method + "/" + slug(name) + "." +
         bkdb::source_id(client, module, method, name).substr(0, 8);
}

std::string view_file_name(const store::SnapshotRecord& record) {
  return bkdb::compact_time(record.began) + "_" + record.id.substr(0, 12) + ".txt";
}

void update_view(const std::string& home, const store::SnapshotRecord& record) {
  if (!has_view(record)) return;
  const std::string folder =
      join_path(home, view_folder(record.client, record.module, record.method, record.name));
  ensure_directory(folder);
  write_if_different(join_path(folder, kSourceFile), source_text(record));
  write_if_different(join_path(folder, view_file_name(record)), store::write_snapshot(record));
  crash_point("views.update");
}

void remove_views(const std::string& home, const std::vector<store::SnapshotRecord>& records) {
  std::set<std::string> folders;
  for (const store::SnapshotRecord& r : records) {
    if (!has_view(r)) continue;
    const std::string folder = join_path(home, view_folder(r.client, r.module, r.method, r.name));
    const std::string path = join_path(folder, view_file_name(r));
    if (::unlink(path.c_str()) == 0)
      folders.insert(folder);
    else if (errno != ENOENT)
      throw sys_error(errno, "removing " + quoted(path));
  }
  for (const std::string& folder : folders) sync_directory(folder);
}

void rebuild_views(const std::string& home, const std::vector<store::SnapshotRecord>& records) {
  std::map<std::string, Files> folders;
  for (const store::SnapshotRecord& r : records)
    if (has_view(r)) folders[view_folder(r.client, r.module, r.method, r.name)][view_file_name(r)] = &r;
  Rebuilder rebuilder(home);
  for (const auto& [relative, files] : folders) rebuilder.folder(join_path(home, relative), files);
  rebuilder.finish();
}

void rebuild_views(const std::string& home, const ListRecords& list) {
  const auto same = [](const store::SnapshotRecord& a, const store::SnapshotRecord& b) {
    return a.id == b.id;
  };
  std::optional<std::vector<store::SnapshotRecord>> records = list();
  while (records) {
    rebuild_views(home, *records);
    auto now = list();
    if (now && std::ranges::equal(*now, *records, same)) return;
    records = std::move(now);
  }
}

CatalogSnapshot catalog_row(const store::SnapshotRecord& r) {
  return {r.id,    r.client, r.module,        r.method, r.name, r.sequence,
          r.files, r.bytes,  r.skipped_count, r.began,  r.ended};
}

void rebuild_catalog(Catalog& catalog, store::Store& store) {
  std::optional<std::vector<CatalogSnapshot>> written;
  for (;;) {
    std::vector<CatalogSnapshot> rows;
    for (const store::SnapshotRecord& record : store.snapshots({}, [](const std::string&) {}))
      rows.push_back(catalog_row(record));
    if (written == rows) return;
    catalog.replace_all(rows);
    written = std::move(rows);
  }
}

std::unique_ptr<Catalog> open_catalog(const std::string& path, store::Store& store) {
  auto catalog = std::make_unique<Catalog>(path);
  // Whoever made the file, now or before a kill, or set a damaged one aside, may not have filled it yet.
  if (catalog->size() == 0) rebuild_catalog(*catalog, store);
  return catalog;
}

}  // namespace bk::server
