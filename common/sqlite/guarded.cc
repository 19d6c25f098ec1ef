#include "common/sqlite/guarded.h"

#include "common/error/error.h"
#include "common/handle/handle.h"
#include "common/io/file.h"
#include "common/sqlite/immutable.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace bk::sqlite {
namespace {

using std::chrono::steady_clock;
using Connection = Handle<sqlite3, sqlite3_close_v2>;
using Prepared = Handle<sqlite3_stmt, sqlite3_finalize>;

constexpr int kLongestValue = 64 << 20;
constexpr std::int64_t kMemory = 512LL << 20U;
constexpr int kOpsBetweenLooks = 10000;

[[noreturn]] void fail(int code, sqlite3* db, const std::string& doing) {
  const std::string text = doing + ": " + (db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code));
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      throw Error(Kind::Corrupt, text);
    case SQLITE_INTERRUPT:
      throw Error(Kind::Transient, text + ": it takes too long");
    case SQLITE_ERROR:
    case SQLITE_AUTH:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
      throw Error(Kind::Usage, text);
    default:
      throw Error(Kind::Io, text);
  }
}

bool is_harmless(const char* function) {
  constexpr std::array<std::string_view, 6> kNever = {"load_extension", "readfile",       "writefile",
                                                      "edit",           "fts3_tokenizer", "sqlite_dbpage"};
  const std::string_view name = function == nullptr ? "" : function;
  return std::find(kNever.begin(), kNever.end(), name) == kNever.end();
}

// Only what reads.
int allow_reading(void*, int action, const char*, const char* function, const char*, const char*) {
  if (action == SQLITE_SELECT || action == SQLITE_READ || action == SQLITE_RECURSIVE) return SQLITE_OK;
  return action == SQLITE_FUNCTION && is_harmless(function) ? SQLITE_OK : SQLITE_DENY;
}

// Only what makes one table, with the indexes that its own constraints need, and fills it.
int allow_table(void*, int action, const char*, const char* function, const char*, const char*) {
  switch (action) {
    case SQLITE_CREATE_TABLE:
    case SQLITE_CREATE_INDEX:
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
    case SQLITE_READ:
    case SQLITE_TRANSACTION:
    case SQLITE_REINDEX:
      return SQLITE_OK;
    default:
      return action == SQLITE_FUNCTION && is_harmless(function) ? SQLITE_OK : SQLITE_DENY;
  }
}

void distrust(sqlite3* db) {
  (void)sqlite3_extended_result_codes(db, 1);
  (void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  (void)sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  (void)sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, nullptr);
  (void)sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  (void)sqlite3_limit(db, SQLITE_LIMIT_LENGTH, kLongestValue);
  (void)sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
  (void)sqlite3_exec(db, "PRAGMA cell_size_check=ON", nullptr, nullptr, nullptr);
}

Connection open(const std::string& name, int flags, const std::string& shown) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(name.c_str(), &raw, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  Connection out(raw);
  if (code != SQLITE_OK) fail(code == SQLITE_CANTOPEN ? SQLITE_IOERR : code, raw, "opening " + quoted(shown));
  distrust(raw);
  return out;
}

Prepared prepare(sqlite3* db, const std::string& sql, const std::string& doing) {
  sqlite3_stmt* raw = nullptr;
  const char* rest = nullptr;
  const int code = sqlite3_prepare_v2(db, sql.c_str(), static_cast<int>(sql.size()) + 1, &raw, &rest);
  Prepared out(raw);
  // What it says is wrong, or not allowed, under whatever code; the rest is the file's or the machine's.
  const int plain = code & 0xff;
  const bool elsewhere = plain == SQLITE_CORRUPT || plain == SQLITE_NOTADB || plain == SQLITE_INTERRUPT ||
                         plain == SQLITE_IOERR || plain == SQLITE_NOMEM;
  if (code != SQLITE_OK) fail(elsewhere ? code : SQLITE_ERROR, db, doing);
  const std::string_view more = rest == nullptr ? std::string_view() : std::string_view(rest);
  if (raw == nullptr || more.find_first_not_of(" \t\r\n;") != std::string_view::npos)
    throw Error(Kind::Usage, doing + ": one statement, nothing more");
  return out;
}

void run(sqlite3* db, const std::string& sql, const std::string& doing) {
  const Prepared statement = prepare(db, sql, doing);
  const int code = sqlite3_step(statement.get());
  if (code != SQLITE_DONE && code != SQLITE_ROW) fail(code, db, doing);
}

std::string identifier(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

std::optional<std::string> value(sqlite3_stmt* statement, int column) {
  if (sqlite3_column_type(statement, column) == SQLITE_NULL) return std::nullopt;
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement, column));
  return std::string(bytes == nullptr ? "" : bytes,
                     static_cast<std::size_t>(sqlite3_column_bytes(statement, column)));
}

}  // namespace

struct GuardedDatabase::Impl {
  std::string path;
  Connection db;
  steady_clock::time_point end;

  // All rows of a question of our own, asked before the authorizer is there.
  std::vector<std::string> column(const std::string& sql, const std::string& parameter) {
    (void)sqlite3_set_authorizer(db.get(), nullptr, nullptr);
    const Prepared statement = prepare(db.get(), sql, "reading " + quoted(path));
    (void)sqlite3_bind_text(statement.get(), 1, parameter.data(), static_cast<int>(parameter.size()),
                            SQLITE_STATIC);
    std::vector<std::string> out;
    int code = SQLITE_ROW;
    while ((code = sqlite3_step(statement.get())) == SQLITE_ROW)
      out.push_back(value(statement.get(), 0).value_or(""));
    (void)sqlite3_set_authorizer(db.get(), allow_reading, nullptr);
    if (code != SQLITE_DONE) fail(code, db.get(), "reading " + quoted(path));
    return out;
  }
};

GuardedDatabase::GuardedDatabase(const std::string& path) : impl_(std::make_unique<Impl>()) {
  (void)sqlite3_hard_heap_limit64(kMemory);
  impl_->path = path;
  impl_->db = open(immutable_uri(path), SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, path);
  (void)sqlite3_set_authorizer(impl_->db.get(), allow_reading, nullptr);
}

GuardedDatabase::~GuardedDatabase() = default;

void GuardedDatabase::query(const std::string& sql, std::chrono::seconds limit,
                            const std::function<bool(const Row&)>& row) {
  sqlite3* db = impl_->db.get();
  impl_->end = steady_clock::now() + limit;
  sqlite3_progress_handler(
      db, kOpsBetweenLooks,
      [](void* self) { return steady_clock::now() > static_cast<Impl*>(self)->end ? 1 : 0; }, impl_.get());
  const Prepared statement = prepare(db, sql, "the query");
  if (sqlite3_stmt_readonly(statement.get()) == 0)
    throw Error(Kind::Usage, "the query: it does not only read");
  const int columns = sqlite3_column_count(statement.get());
  int code = SQLITE_ROW;
  while ((code = sqlite3_step(statement.get())) == SQLITE_ROW) {
    Row out;
    for (int i = 0; i < columns; ++i) out.push_back(value(statement.get(), i));
    if (!row(out)) return;
  }
  if (code != SQLITE_DONE) fail(code, db, "the query");
}

std::uint64_t GuardedDatabase::copy_table(const std::string& table, const std::string& target) {
  const std::string doing = "copying table " + quoted(table);
  const std::vector<std::string> created = impl_->column(
      "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?1 AND rootpage > 0", table);
  if (created.empty()) throw Error(Kind::NotFound, "no table " + quoted(table) + " in the database");
  std::string names;
  std::string marks;
  for (const std::string& name :
       impl_->column("SELECT name FROM pragma_table_xinfo(?1) WHERE hidden = 0", table)) {
    names += (names.empty() ? "" : ", ") + identifier(name);
    marks += marks.empty() ? "?" : ", ?";
  }
  open_file(target, O_RDWR | O_CREAT | O_NOFOLLOW, 0600).close();
  const Connection out = open(target, SQLITE_OPEN_READWRITE, target);
  (void)sqlite3_busy_timeout(out.get(), 10000);
  (void)sqlite3_set_authorizer(out.get(), allow_table, nullptr);
  // Closing the connection without COMMIT leaves the target as it was.
  run(out.get(), "BEGIN IMMEDIATE", doing);
  run(out.get(), created.front(), doing);
  const Prepared insert = prepare(
      out.get(), "INSERT INTO " + identifier(table) + " (" + names + ") VALUES (" + marks + ")", doing);
  const Prepared select = prepare(impl_->db.get(), "SELECT " + names + " FROM " + identifier(table), doing);
  std::uint64_t rows = 0;
  int code = SQLITE_ROW;
  for (; (code = sqlite3_step(select.get())) == SQLITE_ROW; ++rows) {
    for (int i = 0; i < sqlite3_column_count(select.get()); ++i)
      (void)sqlite3_bind_value(insert.get(), i + 1, sqlite3_column_value(select.get(), i));
    if (const int put = sqlite3_step(insert.get()); put != SQLITE_DONE) fail(put, out.get(), doing);
    (void)sqlite3_reset(insert.get());
  }
  if (code != SQLITE_DONE) fail(code, impl_->db.get(), doing);
  run(out.get(), "COMMIT", doing);
  return rows;
}

}  // namespace bk::sqlite
