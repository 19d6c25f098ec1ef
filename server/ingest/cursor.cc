#include "server/ingest/cursor.h"

#include "common/io/file.h"

namespace bk::server {

std::optional<git::Oid> read_cursor(const std::string& repository) {
  const std::optional<std::string> text = try_read_file(repository + "/backline/cursor", 4096);
  if (!text || text->size() != 41 || text->back() != '\n') return std::nullopt;
  return git::Oid::from_hex(std::string_view(*text).substr(0, 40));
}

void write_cursor(const std::string& repository, const git::Oid& commit) {
  replace_durably(repository + "/backline/cursor", commit.hex() + "\n");
}

}  // namespace bk::server
