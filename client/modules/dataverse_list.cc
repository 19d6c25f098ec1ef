#include "client/modules/dataverse_list.h"

#include "common/error/error.h"
#include "common/path/names.h"
#include "common/text/number.h"

#include <fmt/format.h>

#include <algorithm>

namespace bk::client {
namespace {

bool has_column(postgres::Connection& database, const std::string& table, const std::string& column) {
  return !database
              .query(
                  "SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = $2 AND NOT "
                  "attisdropped",
                  {table, column})
              .empty();
}

std::string select_for(postgres::Connection& database) {
  std::string pid = "d";
  if (!has_column(database, "dvobject", "authority")) {
    if (!has_column(database, "dataset", "authority"))
      throw Error(
          Kind::Config,
          "this is no database of a Dataverse 4.8 to 6: neither dvobject nor dataset has a column authority");
    pid = "s";
  }
  const bool alternative =
      has_column(database, "alternativepersistentidentifier", "storagelocationdesignator");
  const bool original = has_column(database, "datatable", "originalfilesize");
  const std::string stored =
      alternative ? "(SELECT {0} FROM alternativepersistentidentifier a WHERE a.dvobject_id = d.id AND "
                    "a.storagelocationdesignator ORDER BY a.id LIMIT 1)"
                  : "NULL";
  const auto stored_part = [&](const char* part) {
    return alternative ? fmt::format(fmt::runtime(stored), part) : stored;
  };
  return fmt::format(
      "SELECT f.id, {0}.authority, {0}.identifier, {1}, {2}, f.storageidentifier, t.checksumtype, "
      "t.checksumvalue, "
      "t.filesize, {3}, EXISTS (SELECT 1 FROM datatable x WHERE x.datafile_id = f.id), f.createdate "
      "FROM datafile t JOIN dvobject f ON f.id = t.id JOIN dvobject d ON d.id = f.owner_id JOIN dataset s ON "
      "s.id = d.id "
      "WHERE s.harvestingclient_id IS NULL ORDER BY f.id",
      pid, stored_part("a.authority"), stored_part("a.identifier"),
      original
          ? "(SELECT x.originalfilesize FROM datatable x WHERE x.datafile_id = f.id ORDER BY x.id LIMIT 1)"
          : "NULL");
}

std::optional<std::uint64_t> number_of(const postgres::Value& value) {
  return value ? parse_int<std::uint64_t>(*value) : std::nullopt;
}

ListedFile file_of(const postgres::Row& row) {
  ListedFile out;
  const std::optional<std::uint64_t> id = number_of(row.at(0));
  if (!id) throw Error(Kind::Corrupt, "dvobject has an id that is no number");
  out.id = *id;
  if (row.at(1) && row.at(2)) out.dataset = *row.at(1) + "/" + *row.at(2);
  const std::size_t pid = row.at(3) && row.at(4) ? 3 : 1;
  out.authority = row.at(pid).value_or("");
  out.identifier = row.at(pid + 1).value_or("");
  out.storage = row.at(5).value_or("");
  out.checksum_kind = row.at(6).value_or("");
  out.checksum = row.at(7).value_or("");
  out.bytes = number_of(row.at(8));
  out.original_bytes = number_of(row.at(9));
  out.tabular = row.at(10) == "t";
  out.created = row.at(11).value_or("");
  return out;
}

bool is_label(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

}  // namespace

void list_dataverse(postgres::Connection& database, const std::function<void(const ListedFile&)>& visit) {
  database.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  database.for_each(select_for(database), [&](const postgres::Row& row) { visit(file_of(row)); });
  database.execute("COMMIT");
}

std::optional<StoragePlace> parse_storage(std::string_view text) {
  StoragePlace out;
  out.label = "file";
  if (const std::size_t mark = text.find("://"); mark != std::string_view::npos) {
    out.label = text.substr(0, mark);
    text.remove_prefix(mark + 3);
    if (!is_label(out.label) || out.label == "." || out.label == "..") return std::nullopt;
  }
  if (const std::size_t overlay = text.find("//"); overlay != std::string_view::npos) {
    out.remote = true;
    text = text.substr(0, overlay);
  }
  if (const std::size_t colon = text.rfind(':'); colon != std::string_view::npos) {
    out.bucket = text.substr(0, colon);
    text.remove_prefix(colon + 1);
  }
  if (!is_component(text)) return std::nullopt;
  out.name = text;
  return out;
}

}  // namespace bk::client
