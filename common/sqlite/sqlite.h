// SQLite behind two owning types.  <sqlite3.h> is included in sqlite.cc only.
//
//   Database db(path);
//   Statement insert = db.prepare("INSERT INTO t VALUES (?, ?)");
//   insert.bind(1, name).bind(2, count).run();
//
// A Database and its Statements belong to one thread; a Statement may not outlive its Database.  Text is
// bytes and is stored as BLOB, so any POSIX name survives.  Errors: Corrupt (SQLITE_CORRUPT, SQLITE_NOTADB),
// Transient (SQLITE_BUSY, SQLITE_LOCKED), Io (everything else).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace bk::sqlite {

class Statement {
 public:
  ~Statement();
  Statement(Statement&&) noexcept;

  // Parameters and columns are counted as SQLite does: parameters from 1, columns from 0.
  Statement& bind(int parameter, std::string_view bytes);
  Statement& bind(int parameter, std::int64_t number);
  Statement& bind(int parameter, std::uint64_t number);  // stored as the same 64 bits
  // Executes a statement without rows, and makes it ready to be bound again.
  void run();
  // The next row, or false at the end, where the statement becomes ready to be bound again.
  [[nodiscard]] bool step();
  [[nodiscard]] std::string bytes(int column) const;
  [[nodiscard]] std::int64_t number(int column) const;
  [[nodiscard]] std::uint64_t count(int column) const;

 private:
  friend class Database;
  struct Impl;
  explicit Statement(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class Database {
 public:
  // Opens or creates a file with mode 0600: WAL journal, synchronous=FULL (a finished transaction survives a
  // power cut), waiting up to ten seconds for another writer.
  explicit Database(const std::string& path);
  ~Database();
  void execute(const std::string& sql);  // without parameters and rows
  [[nodiscard]] Statement prepare(const std::string& sql);
  // Runs `body` in one transaction (BEGIN IMMEDIATE); rolls back when it throws.
  void transaction(const std::function<void()>& body);
  // Reads the whole file (PRAGMA quick_check); false when it is damaged.
  [[nodiscard]] bool is_sound();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bk::sqlite
