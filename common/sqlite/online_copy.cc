#include "common/sqlite/online_copy.h"

#include "common/error/error.h"
#include "common/handle/handle.h"
#include "common/io/file.h"
#include "common/sqlite/immutable.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <sqlite3.h>

#include <algorithm>
#include <climits>

namespace bk::sqlite {
namespace {

using Connection = Handle<sqlite3, sqlite3_close_v2>;
using Prepared = Handle<sqlite3_stmt, sqlite3_finalize>;
constexpr std::string_view kMagic("SQLite format 3\0", 16);

[[noreturn]] void fail(int code, sqlite3* db, const std::string& path) {
  const std::string said = db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code);
  const std::string text = "database " + quoted(path) + ": " + said;
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      throw Error(Kind::Corrupt, text);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      throw Error(Kind::Transient, text + ": its writer gave no moment to read it");
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
      throw Error(Kind::Io,
                  text +
                      ": reading it needs its journal, too; when no program has it open, the user that "
                      "makes backups must be able to write beside it, or its program must have closed "
                      "it well");
    default:
      throw Error(Kind::Io, text);
  }
}

Connection open(const std::string& path, int flags) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &raw, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  Connection out(raw);
  if (code != SQLITE_OK) fail(code, raw, path);
  (void)sqlite3_extended_result_codes(raw, 1);
  return out;
}

void execute(const Connection& db, const std::string& path, const char* sql) {
  const int code = sqlite3_exec(db.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code, db.get(), path);
}

}  // namespace

bool is_database(const std::string& path) {
  const Fd file = open_file(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  std::string head(kMagic.size(), '\0');
  return pread_up_to(file.get(), head.data(), head.size(), 0) == head.size() && head == kMagic;
}

void copy_database(const std::string& from, const std::string& to, std::chrono::milliseconds wait) {
  open_file(to, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600).close();
  const Connection source = open(from, SQLITE_OPEN_READONLY);
  (void)sqlite3_busy_timeout(source.get(), static_cast<int>(std::min<std::int64_t>(wait.count(), INT_MAX)));
  const Connection target = open(to, SQLITE_OPEN_READWRITE);
  // Whoever needs it durable syncs it; half a copy is thrown away.
  execute(target, to, "PRAGMA journal_mode=OFF");
  execute(target, to, "PRAGMA synchronous=OFF");
  sqlite3_backup* backup = sqlite3_backup_init(target.get(), "main", source.get(), "main");
  if (backup == nullptr) fail(sqlite3_errcode(target.get()), target.get(), to);
  const int code = sqlite3_backup_step(backup, -1);
  const int end = sqlite3_backup_finish(backup);
  if (code != SQLITE_DONE || end != SQLITE_OK) {
    // The target carries the words of either's failure.
    const int why = code == SQLITE_DONE || code == SQLITE_OK ? end : code;
    if ((why & 0xff) == SQLITE_FULL)
      throw sys_error(ENOSPC, "writing the copy of " + quoted(from) + " to " + quoted(to));
    fail(why, target.get(), from);
  }
}

std::vector<std::string> check_database(const std::string& path) {
  const Connection db = open(immutable_uri(path), SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
  sqlite3_stmt* raw = nullptr;
  if (const int code = sqlite3_prepare_v2(db.get(), "PRAGMA integrity_check(10)", -1, &raw, nullptr);
      code != SQLITE_OK)
    fail(code, db.get(), path);
  const Prepared statement(raw);
  std::vector<std::string> out;
  int code = SQLITE_ROW;
  while ((code = sqlite3_step(raw)) == SQLITE_ROW) {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(raw, 0));
    const std::string line = text == nullptr ? "" : text;
    if (line != "ok") out.push_back(line);
  }
  if (code != SQLITE_DONE) fail(code, db.get(), path);
  return out;
}

}  // namespace bk::sqlite
