// Reading an SQLite file that somebody else made and that nobody trusts: queries that only read, within
// limits.
//
// The file is opened as one that nobody writes: nothing appears beside it.  An authorizer refuses everything
// but SELECT and functions that touch nothing outside; what the file's own schema says is not trusted
// (sqlite.org/security.html).  One database, one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bk::sqlite {

class GuardedDatabase {
 public:
  // Throws Corrupt, Io.
  explicit GuardedDatabase(const std::string& path);
  ~GuardedDatabase();

  using Row = std::vector<std::optional<std::string>>;  // nothing: NULL
  // Runs one statement; `row` returns false to end it.  Throws Usage (not one statement that only reads, or
  // it does not fit this database), Transient (longer than `limit`), Corrupt, Io (too much memory).
  void query(const std::string& sql, std::chrono::seconds limit, const std::function<bool(const Row&)>& row);

  // Makes the table in the SQLite file `target` (made when it is not there) and copies its rows, as one
  // transaction.  Returns how many.  Indexes, triggers and views are not copied.  Throws NotFound (no such
  // table here), Usage (it is there already), Corrupt, Io; then the target is as before.
  std::uint64_t copy_table(const std::string& table, const std::string& target);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bk::sqlite
