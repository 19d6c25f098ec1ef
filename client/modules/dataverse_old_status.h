// The table datafilestatus of Dataverse's old backup script, kept for those who look there; and what to do
// about what a database refuses.
#pragma once

#include "client/modules/dataverse_config.h"
#include "client/modules/dataverse_state.h"
#include "common/error/error.h"

#include <optional>
#include <string>
#include <vector>

namespace bk::client {

// A row of its own for each (dataset, storage identifier) where the table allows it: the one of the old
// script has UNIQUE(storageidentifier), and keeps the first of two.
class OldStatus {
 public:
  // Connects where the source names such a database.  Throws as postgres::Connection, with advice.
  explicit OldStatus(const DataverseSource& source);
  [[nodiscard]] bool wanted() const { return database_.has_value(); }
  // One transaction; rows that are there are overwritten, so it may come twice.
  void save(const std::vector<FileStatus>& files);

 private:
  const DataverseSource& source_;
  std::optional<postgres::Connection> database_;
};

// What the administrator can do about it, to be put behind the database's own words; "" when there is none.
[[nodiscard]] std::string dataverse_advice(std::string_view complaint, const DataverseSource& source);
// `error`, with that advice where it is one of PostgreSQL.
[[nodiscard]] Error with_advice(const Error& error, const DataverseSource& source);

}  // namespace bk::client
