// What module dataverse is told: our own TOML file, or the config.ini of Dataverse's old run_backup.py.
#pragma once

#include "common/postgres/postgres.h"
#include "common/s3/s3.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace bk::client {

// Where the files of one store label lie.
struct DataverseStore {
  enum class Type { Folder, Bucket, Elsewhere } type = Type::Folder;
  std::string folder;     // <folder>/<authority>/<identifier>/<name>
  s3::Settings settings;  // its bucket: "" for the one that each file names
};

struct DataverseSource {
  std::string file;  // for messages
  postgres::Parameters database;
  std::string status_database;  // with the old table datafilestatus; "" for none
  std::map<std::string, DataverseStore> stores;
  std::string folder;            // of every label that is no store of its own; "" when there is none
  std::string credentials_file;  // of buckets whose label is no store of its own; "" when there are none
  bool links = true;             // hard links into the spool where the file system allows them
  std::size_t parallel = 4;
};

// Throws Config.  `home` is where relative paths begin; a file whose first section is in the old form (a line
// "[Database]") is read as config.ini.
[[nodiscard]] DataverseSource parse_dataverse_source(std::string_view text, const std::string& file,
                                                     const std::string& home);
// Throws also when its password file may be read by others.
[[nodiscard]] DataverseSource load_dataverse_source(const std::string& file, const std::string& home);

// Where the files of a label lie; `bucket`: the one that their storage identifiers name, or "".  Nothing when
// the description does not say.  Throws Config: a store of buckets without a bucket, no credentials.
[[nodiscard]] std::optional<DataverseStore> find_store(const DataverseSource& source,
                                                       const std::string& label, const std::string& bucket);

}  // namespace bk::client
