#include "tests/support/services/postgres.h"

#include "common/error/error.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

namespace bk::test {

Postgres::Postgres() {
  const std::string versions = "/usr/lib/postgresql";
  if (path_exists(versions)) {
    for (const std::string& version : list_directory(versions)) {
      if (path_exists(versions + "/" + version + "/bin/initdb")) bin_ = versions + "/" + version + "/bin/";
    }
  }
  if (bin_.empty()) {
    why_not_ = "postgresql is not installed";
    return;
  }
  check_sys(::chmod(dir_.path().c_str(), ::geteuid() == 0 ? 0777 : 0700), [] { return "chmod"; });
  const Captured made =
      run_captured(as_postgres({bin_ + "initdb", "-D", dir_.file("data"), "-U", "admin", "-A", "trust",
                                "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"}),
                   std::chrono::seconds(60));
  if (made.status != 0) throw Error(Kind::Io, "initdb: " + made.err);
  const std::string rules = dir_.file("data/pg_hba.conf");
  struct stat info {};
  check_sys(::stat(rules.c_str(), &info), [] { return "pg_hba.conf"; });
  const Fd fd = open_file(rules, O_WRONLY | O_TRUNC);
  write_all(fd.get(), "local all admin trust\nlocal all all scram-sha-256\n");
  child_ = start(as_postgres({bin_ + "postgres", "-D", dir_.file("data"), "-k", dir_.path(), "-h", "", "-F",
                              "-c", "max_connections=20"}));
  for (int tries = 0;; ++tries) {
    try {
      const postgres::Connection connection(admin());
      return;
    } catch (const Error&) {
      if (tries > 400) throw;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }
}

Postgres::~Postgres() {
  if (child_) child_->stop();
}

Command Postgres::as_postgres(std::vector<std::string> argv) const {
  Command out;
  out.environment = base_environment(dir_.path());
  if (::geteuid() == 0)
    out.argv = {"setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--pdeathsig", "KILL"};
  out.argv.insert(out.argv.end(), argv.begin(), argv.end());
  return out;
}

postgres::Parameters Postgres::admin(const std::string& database) const {
  postgres::Parameters out;
  out.host = dir_.path();
  out.database = database;
  out.user = "admin";
  return out;
}

void Postgres::execute(const std::string& database, const std::string& sql) const {
  postgres::Connection(admin(database)).execute(sql);
}

std::string Postgres::value(const std::string& database, const std::string& sql) const {
  return postgres::Connection(admin(database)).query(sql).at(0).at(0).value_or("NULL");
}

}  // namespace bk::test
