#include "client/modules/postgres.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"
#include "common/text/number.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

namespace bk::client {
namespace {

constexpr const char* kInstalled = "/usr/lib/postgresql";  // Debian: each version in a folder of its own

class Postgres : public DatabaseServer {
 public:
  Postgres(const ClientConfig& config, const ModuleConfig& module)
      : home_(config.home), module_(module), credentials_(module.text("credentials")) {
    const std::string where = config.file + ": module." + module.name + ".";
    if (!credentials_.empty()) require_secret_file(credentials_, where + "credentials");
    const std::string format = module.text("format");
    if (format != "directory" && format != "custom" && format != "plain")
      throw Error(Kind::Config, where + "format = " + quoted(format) + ": directory, custom or plain");
  }

  std::vector<std::string> databases() override {
    std::vector<std::string> out = module_.list("databases");
    if (out.empty()) {
      for (const std::string& line :
           answer_lines(ask("postgres",
                            "SELECT encode(datname::text::bytea, 'hex') FROM pg_database "
                            "WHERE datallowconn AND NOT datistemplate")))
        out.push_back(answer_unhex(line));
    }
    std::erase_if(out,
                  [&](const std::string& name) { return is_excluded(module_, "exclude_databases", name); });
    std::sort(out.begin(), out.end());
    return out;
  }

  void dump(const std::string& database, const std::string& folder,
            std::vector<std::string>& skipped) override {
    const std::string format = module_.text("format");
    const std::string path = join_path(folder, format == "directory" ? "dump"
                                               : format == "custom"  ? "database.dump"
                                                                     : "database.sql");
    ChildOutput child = command("pg_dump", database);
    child.argv.push_back("--format=" + format);
    if (format != "plain") child.argv.emplace_back("--compress=0");
    child.argv.emplace_back("--no-sync");  // the spool syncs
    child.argv.emplace_back("--encoding=UTF8");
    child.argv.push_back("--lock-wait-timeout=" + module_.text("lock_wait") + "s");
    for (const std::string& table : excluded_tables(database))
      child.argv.push_back("--exclude-table-data=" + table);
    child.argv.push_back("--file=" + path);
    (void)run_to_text(child);
    if (format == "plain") {
      require_end(path, kPostgresDumpEnd, kBehindPostgresDumpEnd);
    } else {
      check_archive(path, format == "directory");
    }
    note_subscriptions(database, skipped);
  }

  std::vector<RowFile> row_files(const std::string& folder) override {
    std::vector<RowFile> out;
    if (module_.text("format") != "directory") return out;
    for (const std::string& name : list_directory(join_path(folder, "dump"))) {
      // Not the large objects.
      if (name.ends_with(".dat") && parse_int<std::uint64_t>(name.substr(0, name.size() - 4)))
        out.push_back({"dump/" + name, RowForm::Copy});
    }
    return out;
  }

  void dump_accounts(const std::string& folder) override {
    if (ask("postgres", "SELECT has_table_privilege('pg_catalog.pg_authid', 'SELECT')") != "t\n")
      throw Error(Kind::Refused,
                  "the role may not read the passwords of roles: in database postgres, GRANT SELECT ON "
                  "pg_catalog.pg_authid TO it; or accounts = false");
    ChildOutput child = command("pg_dumpall", "postgres");
    child.argv.insert(child.argv.end(), {"--globals-only", "--no-sync"});
    const std::string path = join_path(folder, "accounts.sql");
    (void)run_to_file(child, path);
    require_end(path, "-- PostgreSQL database cluster dump complete", kBehindPostgresDumpEnd);
  }

 private:
  // The server's own version of a program where it is installed, else the newest, else the one in PATH.
  std::string program(const std::string& name) const {
    if (!path_exists(kInstalled)) return name;
    std::string out = name;
    int best = -1;
    for (const std::string& version : list_directory(kInstalled)) {
      const std::string path = join_path(join_path(kInstalled, version), "bin/" + name);
      const std::optional<int> number = parse_int<int>(version, 0);
      if (!number || ::access(path.c_str(), X_OK) != 0) continue;
      const int rank = *number == server_major_ ? 1000000 : *number;
      if (rank > best) {
        best = rank;
        out = path;
      }
    }
    return out;
  }

  ChildOutput command(const std::string& name, const std::string& database) {
    if (server_major_ == 0 && name != "psql") find_version();
    ChildOutput out;
    out.argv = {program(name), "--no-password", "--dbname=" + connection_string(database)};
    out.environment = {"PGCONNECT_TIMEOUT=30", "PGAPPNAME=backline", "PGCLIENTENCODING=UTF8"};
    if (!module_.text("host").empty()) out.argv.push_back("--host=" + module_.text("host"));
    if (module_.text("port") != "0") out.argv.push_back("--port=" + module_.text("port"));
    if (!module_.text("user").empty()) out.argv.push_back("--username=" + module_.text("user"));
    if (!credentials_.empty()) out.environment.push_back("PGPASSFILE=" + credentials_);
    out.home = home_;
    out.limit = module_.time_limit;
    out.advice = [this](std::string_view said) { return postgres_advice(said, credentials_); };
    return out;
  }

  std::string ask(const std::string& database, const std::string& sql) {
    ChildOutput child = command("psql", database);
    child.argv.insert(child.argv.end(), {"--no-psqlrc", "--no-align", "--tuples-only", "--quiet",
                                         "--set=ON_ERROR_STOP=1", "--command=" + sql});
    child.limit = std::chrono::seconds(300);
    return run_to_text(child);
  }

  void find_version() {
    const std::string text = ask("postgres", "SHOW server_version_num");
    server_major_ = parse_int<int>(text.substr(0, text.find('\n')), 0).value_or(0) / 10000;
  }

  std::vector<std::string> excluded_tables(const std::string& database) {
    if (module_.list("exclude_tables").empty()) return {};
    std::vector<std::string> out;
    for (const std::string& line : answer_lines(ask(
             database,
             "SELECT encode(n.nspname::text::bytea, 'hex') || ' ' || encode(c.relname::text::bytea, 'hex') "
             "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN "
             "('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')"))) {
      const std::size_t space = std::min(line.find(' '), line.size() - 1);
      const std::string schema = answer_unhex(line.substr(0, space));
      const std::string table = answer_unhex(line.substr(space + 1));
      if (is_excluded(module_, "exclude_tables", database + "." + schema + "." + table))
        out.push_back(identifier(schema) + "." + identifier(table));
    }
    return out;
  }
  static std::string identifier(std::string_view name) {
    std::string out = "\"";
    for (const char c : name) out += c == '"' ? "\"\"" : std::string(1, c);
    return out + "\"";
  }

  // The table of contents can be read, and all that it names is there to its end.
  void check_archive(const std::string& path, bool directory) const {
    ChildOutput child;
    child.argv = {program("pg_restore"), "--list", path};
    child.home = home_;
    child.limit = module_.time_limit;
    const std::string list = run_to_text(child, 256U << 20U);
    if (!directory) {
      // A list is only the head of the one file.
      child.argv[1] = "--file=/dev/null";
      return (void)run_to_text(child);
    }
    for (const std::string& line : answer_lines(list)) {
      const std::size_t number = line.find(';');
      if (line.starts_with(';') || number == std::string::npos ||
          line.find(" TABLE DATA ") == std::string::npos)
        continue;
      const std::string file = join_path(path, line.substr(0, number) + ".dat");
      if (!path_exists(file) || tail_of(file, 16).find("\\.\n") == std::string::npos)
        throw Error(Kind::Io, "the dump's part " + quoted(file) + " is not whole");
    }
  }

  // pg_dump leaves them out with a warning when the role is no superuser.
  void note_subscriptions(const std::string& database, std::vector<std::string>& skipped) {
    const std::string answer =
        ask(database,
            "SELECT COUNT(*) FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE "
            "d.datname = current_database() AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = "
            "current_user)");
    if (answer != "0\n")
      skipped.push_back("unreadable " +
                        percent_encode(database + ": subscriptions: only a superuser may read them"));
  }

  std::string home_;
  const ModuleConfig& module_;
  std::string credentials_;
  int server_major_ = 0;
};

}  // namespace

std::unique_ptr<DatabaseServer> connect_postgres(const ClientConfig& config, const ModuleConfig& module) {
  return std::make_unique<Postgres>(config, module);
}

std::string connection_string(std::string_view database) {
  std::string out = "dbname='";
  for (const char c : database) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

std::string postgres_advice(std::string_view complaint, const std::string& credentials) {
  const std::string file = credentials.empty() ? "~/.pgpass" : quoted(credentials);
  const auto says = [&](std::string_view word) { return complaint.find(word) != std::string_view::npos; };
  if (says("password authentication failed") || says("no password supplied"))
    return "check the password in " + file + " (host:port:database:user:password; host as configured)";
  if (says("row-level security")) return "the role must see every row: ALTER ROLE … BYPASSRLS";
  if (says("permission denied for large object"))
    return "the role must read every large object: ALTER ROLE … SET lo_compat_privileges = on";
  if (says("permission denied for database")) return "GRANT CONNECT ON DATABASE … TO the role";
  if (says("permission denied")) return "the role must read everything: GRANT pg_read_all_data TO it";
  if (says("server version mismatch"))
    return "the programs must be as new as the server: install postgresql-client of its version";
  if (says("lock timeout") || says("statement timeout"))
    return "a table is locked; lock_wait says how long to wait";
  if (says("No space left")) return "the disk that holds the spool is full";
  if (says("Connection refused") || says("No such file or directory") || says("could not translate host"))
    return "is the server running? host and port stand in backupconfig.toml";
  if (says("server closed the connection") || says("terminating connection"))
    return "the server ended, or cut the connection";
  return {};
}

}  // namespace bk::client
