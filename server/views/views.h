// What is made from snapshot records for people and for speed: the folders below data/ and the catalog's
// rows. All of it can be deleted at any time and made again from the store (I3).
//
//   data/<client>/<method>/<folder>/source.txt                      whose folder this is
//   data/<client>/<method>/<folder>/<YYYYMMDDThhmmss>Z_<12 hex>.txt    a copy of one snapshot record
//
// <folder> is readable and unique: the path with everything but letters, digits, '.', '_' and '-' as '_', at
// most 100 bytes of its end, a '.', and 8 digits of the source's id.  Format: docs/formats/views.md.  Method
// git has no such folder: its view is the mirror (server/pull/git_view.h).
#pragma once

#include "server/catalog/catalog.h"
#include "server/store/snapshot.h"
#include "server/store/store.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bk::server {

// "data/<client>/<method>/<folder>" below the home.
[[nodiscard]] std::string view_folder(const std::string& client, const std::string& module,
                                      const std::string& method, const std::string& name);
[[nodiscard]] std::string view_file_name(const store::SnapshotRecord& record);

// Adds one committed record to its source's folder.  Idempotent; durable on return.  Does nothing for method
// git.
void update_view(const std::string& home, const store::SnapshotRecord& record);

// Takes removed records out of their sources' folders.  Idempotent; durable on return.
void remove_views(const std::string& home, const std::vector<store::SnapshotRecord>& records);

// Makes every source's folder hold exactly its records: missing and differing files are written, record files
// that the store does not know are removed, anything else is left alone.  Durable on return.
void rebuild_views(const std::string& home, const std::vector<store::SnapshotRecord>& records);
// The same with what `list` gives, again and again until it gives the same before and after: so a view that a
// backup added during the work is not lost.  Stops when it gives nothing.
using ListRecords = std::function<std::optional<std::vector<store::SnapshotRecord>>()>;
void rebuild_views(const std::string& home, const ListRecords& list);

// A record as a row of the catalog.
[[nodiscard]] CatalogSnapshot catalog_row(const store::SnapshotRecord& record);

// Fills the catalog from the store alone, as far as its records can be read.  Safe beside running backups:
// repeats until the store did not change meanwhile, so a row that a backup added during the work is not lost.
void rebuild_catalog(Catalog& catalog, store::Store& store);

// Opens the catalog, and fills it from the store when it is empty: it was missing or damaged.
[[nodiscard]] std::unique_ptr<Catalog> open_catalog(const std::string& path, store::Store& store);

}  // namespace bk::server
