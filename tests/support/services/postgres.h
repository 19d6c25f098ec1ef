// A real PostgreSQL on a socket in its own folder, for as long as the object lives.
#pragma once

#include "common/postgres/postgres.h"
#include "common/process/process.h"
#include "tests/support/temp_dir.h"

#include <optional>
#include <string>

namespace bk::test {

class Postgres {
 public:
  // About a second.  `why_not` is set where the package is missing.  Root runs it as user postgres.
  Postgres();
  ~Postgres();
  [[nodiscard]] const std::string& why_not() const { return why_not_; }
  // As the superuser admin, who needs no password; everybody else does.
  [[nodiscard]] postgres::Parameters admin(const std::string& database = "postgres") const;
  // One statement a connection, as admin.
  void execute(const std::string& database, const std::string& sql) const;
  [[nodiscard]] std::string value(const std::string& database, const std::string& sql) const;

 private:
  [[nodiscard]] Command as_postgres(std::vector<std::string> argv) const;
  TempDir dir_;
  std::string bin_, why_not_;
  std::optional<Child> child_;
};

}  // namespace bk::test
