#include "client/modules/dataverse_old_status.h"

#include "common/text/escape.h"

namespace bk::client {

OldStatus::OldStatus(const DataverseSource& source) : source_(source) {
  if (source.status_database.empty()) return;
  postgres::Parameters parameters = source.database;
  parameters.database = source.status_database;
  try {
    database_.emplace(parameters);
  } catch (const Error& error) {
    throw with_advice(error, source);
  }
}

void OldStatus::save(const std::vector<FileStatus>& files) {
  if (!database_ || files.empty()) return;
  try {
    database_->execute("BEGIN");
    for (const FileStatus& one : files) {
      const std::vector<postgres::Value> values{one.dataset, one.storage, one.status, one.created};
      database_->execute(
          "UPDATE datafilestatus SET status = $3, createdate = $4::timestamp, lastbackuptime = "
          "localtimestamp(0), lastbackupmethod = 'backline' WHERE datasetidentifier = $1 AND "
          "storageidentifier = $2",
          values);
      database_->execute(
          "INSERT INTO datafilestatus (datasetidentifier, storageidentifier, status, createdate, "
          "lastbackuptime, lastbackupmethod) SELECT $1::varchar, $2::varchar, $3::varchar, $4::timestamp, "
          "localtimestamp(0), 'backline' WHERE NOT EXISTS (SELECT 1 FROM datafilestatus WHERE "
          "datasetidentifier = $1 AND storageidentifier = $2) ON CONFLICT DO NOTHING",
          values);
    }
    database_->execute("COMMIT");
  } catch (const Error& error) {
    throw with_advice(error, source_);
  }
}

std::string dataverse_advice(std::string_view complaint, const DataverseSource& source) {
  const auto says = [&](std::string_view word) { return complaint.find(word) != std::string_view::npos; };
  const std::string user = bk::quoted(source.database.user);
  const std::string file = bk::quoted(source.file);
  if (says("datafilestatus"))
    return says("permission denied")
               ? "GRANT SELECT, INSERT, UPDATE ON datafilestatus, and USAGE on its sequence, TO " + user
               : "the old script's backupdb.sql makes that table; or leave the status database out of " +
                     file;
  if (says("password authentication failed") || says("no password supplied"))
    return "check user and password, in " + file +
           (source.database.password_file.empty() ? std::string()
                                                  : " and " + bk::quoted(source.database.password_file) +
                                                        " (host:port:database:user:password)");
  if (says("pg_hba.conf")) return "pg_hba.conf of the database server must let " + user + " in from here";
  if (says("permission denied"))
    return "GRANT SELECT ON dvobject, dataset, datafile, datatable, alternativepersistentidentifier TO " +
           user;
  if (says("does not exist")) return "check the database's name in " + file;
  if (says("lock timeout"))
    return "somebody holds a table locked, an upgrade of Dataverse perhaps; it is tried again";
  if (says("statement timeout")) return "the database took an hour for one statement; it is tried again";
  if (says("closed the connection") || says("terminating connection") ||
      says("connection to server was lost"))
    return "the server ended, or cut the connection; it is tried again";
  if (says("Connection refused") || says("No such file or directory") || says("could not translate host") ||
      says("timeout expired") || says("starting up") || says("shutting down"))
    return "is the database server running? host and port stand in " + file;
  return {};
}

Error with_advice(const Error& error, const DataverseSource& source) {
  const std::string text(error.what());
  if (!text.starts_with("PostgreSQL ")) return error;
  const std::string advice = dataverse_advice(text, source);
  return advice.empty() || text.ends_with(advice) ? error : Error(error.kind(), text + "; " + advice);
}

}  // namespace bk::client
