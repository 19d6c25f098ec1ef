// The files of a Dataverse, as its PostgreSQL lists them; and where each one is stored.
//
// Schemas: 4.8 (a dataset's PID stands in `dataset`) and 4.9 to 6.x (in `dvobject`), told apart by their
// columns.  Harvested datasets are left out: their files are elsewhere.
#pragma once

#include "common/digest/hasher.h"
#include "common/postgres/postgres.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace bk::client {

struct ListedFile {
  std::uint64_t id = 0;
  std::string authority, identifier;  // of the PID that names the storage folder
  std::string dataset;                // "<authority>/<identifier>" of the dataset's PID of today
  std::string storage;                // dvobject.storageidentifier; "" when there is none
  std::string checksum_kind, checksum;
  std::optional<std::uint64_t> bytes;           // of what `storage` names
  std::optional<std::uint64_t> original_bytes;  // of the upload, where it was ingested as a table
  bool tabular = false;
  std::string created;
};
// All files, by ascending id, in one read-only snapshot of the database.  Memory: a page.  Throws as
// postgres::Connection; Config when the schema is none of these.
void list_dataverse(postgres::Connection& database, const std::function<void(const ListedFile&)>& visit);

// "label://bucket:name" or "label://name" or "name".  Pure.
struct StoragePlace {
  std::string label;    // "file" when there is none
  std::string bucket;   // "" when there is none
  std::string name;     // what the folder of the dataset holds
  bool remote = false;  // "label://base//address": an overlay of a store elsewhere
};
// Nothing when it cannot be a file's name.
[[nodiscard]] std::optional<StoragePlace> parse_storage(std::string_view text);

}  // namespace bk::client
