#include "common/sqlite/sqlite.h"

#include "common/error/error.h"
#include "common/handle/handle.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <sqlite3.h>

namespace bk::sqlite {
namespace {

using Connection = Handle<sqlite3, sqlite3_close_v2>;
using Prepared = Handle<sqlite3_stmt, sqlite3_finalize>;
constexpr int kBusyWaitMs = 10000;

Kind kind_of(int code) {
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Kind::Corrupt;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Kind::Transient;
    default:
      return Kind::Io;
  }
}

void check(int code, sqlite3* db, const std::string& path) {
  if (code == SQLITE_OK || code == SQLITE_DONE || code == SQLITE_ROW) return;
  throw Error(kind_of(code), "database " + quoted(path) + ": " +
                                 (db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code)));
}

}  // namespace

struct Database::Impl {
  std::string path;
  Connection db;
};

struct Statement::Impl {
  sqlite3* db = nullptr;
  std::string path;
  Prepared statement;
};

Statement::Statement(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Statement::Statement(Statement&&) noexcept = default;
Statement::~Statement() = default;

Statement& Statement::bind(int parameter, std::string_view bytes) {
  // A null pointer would bind NULL; an empty text is not NULL.
  check(
      sqlite3_bind_blob64(impl_->statement.get(), parameter, bytes.empty() ? "" : bytes.data(), bytes.size(),
                          SQLITE_TRANSIENT),  // NOLINT: the library's own cast
      impl_->db, impl_->path);
  return *this;
}

Statement& Statement::bind(int parameter, std::int64_t number) {
  check(sqlite3_bind_int64(impl_->statement.get(), parameter, number), impl_->db, impl_->path);
  return *this;
}

Statement& Statement::bind(int parameter, std::uint64_t number) {
  return bind(parameter, static_cast<std::int64_t>(number));
}

void Statement::run() {
  while (step()) {
  }
}

bool Statement::step() {
  const int code = sqlite3_step(impl_->statement.get());
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) {
    const std::string text = sqlite3_errmsg(impl_->db);
    (void)sqlite3_reset(impl_->statement.get());
    throw Error(kind_of(code), "database " + quoted(impl_->path) + ": " + text);
  }
  check(sqlite3_reset(impl_->statement.get()), impl_->db, impl_->path);
  return false;
}

std::string Statement::bytes(int column) const {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(impl_->statement.get(), column));
  const int size = sqlite3_column_bytes(impl_->statement.get(), column);
  return data == nullptr ? std::string() : std::string(data, static_cast<std::size_t>(size));
}

std::int64_t Statement::number(int column) const {
  return sqlite3_column_int64(impl_->statement.get(), column);
}

std::uint64_t Statement::count(int column) const { return static_cast<std::uint64_t>(number(column)); }

Database::Database(const std::string& path) : impl_(std::make_unique<Impl>()) {
  impl_->path = path;
  // SQLite would create it with the umask's mode; names of other people's files are nobody else's business.
  open_file(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600).close();
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  impl_->db.reset(raw);  // also after an error: the handle must be closed
  check(code, raw, path);
  (void)sqlite3_busy_timeout(raw, kBusyWaitMs);
  (void)sqlite3_extended_result_codes(raw, 1);
  execute("PRAGMA journal_mode=WAL");
  execute("PRAGMA synchronous=FULL");
}

Database::~Database() = default;

void Database::execute(const std::string& sql) {
  check(sqlite3_exec(impl_->db.get(), sql.c_str(), nullptr, nullptr, nullptr), impl_->db.get(), impl_->path);
}

Statement Database::prepare(const std::string& sql) {
  auto impl = std::make_unique<Statement::Impl>();
  impl->db = impl_->db.get();
  impl->path = impl_->path;
  sqlite3_stmt* raw = nullptr;
  check(sqlite3_prepare_v2(impl_->db.get(), sql.c_str(), -1, &raw, nullptr), impl_->db.get(), impl_->path);
  impl->statement.reset(raw);
  return Statement(std::move(impl));
}

void Database::transaction(const std::function<void()>& body) {
  execute("BEGIN IMMEDIATE");
  try {
    body();
    execute("COMMIT");
  } catch (...) {
    (void)sqlite3_exec(impl_->db.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    throw;
  }
}

bool Database::is_sound() {
  try {
    Statement check_all = prepare("PRAGMA quick_check(1)");
    return check_all.step() && check_all.bytes(0) == "ok";
  } catch (const Error& error) {
    if (error.kind() == Kind::Corrupt) return false;
    throw;
  }
}

}  // namespace bk::sqlite
