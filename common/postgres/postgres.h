// PostgreSQL through libpq.  <libpq-fe.h> is included in postgres.cc only.
//
//   Connection db(parameters);
//   db.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
//   db.for_each("SELECT id, name FROM t ORDER BY id", {}, [&](const Row& row) { … });
//
// Values are text, as the server writes them; SQL NULL is nothing.  A Connection belongs to one thread. Every
// wait ends: connecting after 30 seconds, a statement after `statement_limit`, a lock after `lock_limit`, a
// peer that is gone after a minute. Errors: Transient (cannot connect, cut, busy), Refused (password,
// rights), Config (no such database, table or column), Io (anything else).  A password is in no message.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bk::postgres {

struct Parameters {
  std::string host;  // a name, an address, or the folder of a socket; "" for the usual socket
  std::string port = "5432";
  std::string database, user;
  std::string password;       // "" for `password_file`
  std::string password_file;  // in the form of ~/.pgpass, mode 0600; "" for none
  std::string ssl_mode = "prefer";
  std::chrono::seconds statement_limit{3600};
  std::chrono::seconds lock_limit{60};  // for one lock that somebody else holds
};

using Value = std::optional<std::string>;
using Row = std::vector<Value>;

class Connection {
 public:
  explicit Connection(const Parameters& parameters);
  ~Connection();

  // One statement; its rows, at most `most_rows` (more: throws Io).
  std::vector<Row> query(const std::string& sql, const std::vector<Value>& values = {},
                         std::size_t most_rows = 10'000);
  void execute(const std::string& sql, const std::vector<Value>& values = {}) { (void)query(sql, values); }
  // The rows of a SELECT of any length, 1,000 at a time; within a transaction.
  void for_each(const std::string& select, const std::function<void(const Row&)>& visit);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bk::postgres
