#include "client/modules/mysql.h"

#include "client/modules/sql_split.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace bk::client {
namespace {

constexpr std::string_view kPackage = "mariadb-client";

// A value in SQL whatever it holds.
std::string literal(std::string_view text) { return "CONVERT(X'" + hex_encode(text) + "' USING utf8mb4)"; }

// The program, then the options that must be its first: nothing but `access` is read then.
std::vector<std::string> begin_words(std::initializer_list<std::string_view> names,
                                     const std::string& access) {
  std::vector<std::string> out{installed_program(names, kPackage)};
  if (!access.empty()) out.push_back("--defaults-file=" + access);
  out.emplace_back("--default-character-set=utf8mb4");
  return out;
}

bool has_roles(const MysqlAsk& ask) { return ask("SELECT VERSION()").find("MariaDB") != std::string::npos; }

// What this account may do, on everything or on one database.
std::vector<std::string> privileges(const MysqlAsk& ask, const std::string& database) {
  const std::string mine =
      " WHERE GRANTEE IN (CONCAT('''', LEFT(CURRENT_USER(), LENGTH(CURRENT_USER()) - "
      "LENGTH(SUBSTRING_INDEX(CURRENT_USER(), '@', -1)) - 1), '''@''', "
      "SUBSTRING_INDEX(CURRENT_USER(), '@', -1), '''')";
  const std::string role = has_roles(ask) ? ", CONCAT('''', CURRENT_ROLE(), '''@'''''), CURRENT_ROLE()" : "";
  std::string sql = "SELECT PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES" + mine + role + ")";
  if (!database.empty())
    sql += " UNION SELECT PRIVILEGE_TYPE FROM information_schema.SCHEMA_PRIVILEGES" + mine + role + ") AND " +
           literal(database) + " LIKE TABLE_SCHEMA";
  return answer_lines(ask(sql));
}

class Mysql : public DatabaseServer {
 public:
  Mysql(const ClientConfig& config, const ModuleConfig& module)
      : home_(config.home), module_(module), credentials_(module.text("credentials")) {
    if (!credentials_.empty())
      require_secret_file(credentials_, config.file + ": module." + module.name + ".credentials");
  }

  std::vector<std::string> databases() override {
    std::vector<std::string> out = module_.list("databases");
    if (out.empty()) {
      check_sees_all();
      for (const std::string& line :
           answer_lines(ask("SELECT HEX(SCHEMA_NAME) FROM information_schema.SCHEMATA")))
        out.push_back(answer_unhex(line));
      std::erase_if(out, [](const std::string& name) {
        return name == "information_schema" || name == "performance_schema" || name == "mysql" ||
               name == "sys" || name.starts_with("#mysql50#");
      });
    }
    std::erase_if(out,
                  [&](const std::string& name) { return is_excluded(module_, "exclude_databases", name); });
    std::sort(out.begin(), out.end());
    return out;
  }

  void dump(const std::string& database, const std::string& folder,
            std::vector<std::string>& skipped) override {
    check_rights(database);
    const std::string began = quiet_moment(database);
    write_database(database, folder);
    std::vector<std::string> more;
    if (module_.flag("lock_tables")) more = {"--skip-single-transaction", "--lock-tables"};
    for (const std::string& table : excluded_tables(database))
      more.push_back("--ignore-table-data=" + database + "." + table);
    ChildOutput child = command(mysql_dump_words(credentials_, database, more));
    child.quiet = std::chrono::seconds(std::stoll(module_.text("lock_wait")));
    SqlSplit split(folder);
    run_to_sink(child, [&](std::string_view bytes) { split.add(bytes); });
    split.finish();
    if (!module_.flag("lock_tables")) note_changed(database, began, skipped);
  }

  std::vector<RowFile> row_files(const std::string& folder) override {
    std::vector<RowFile> out;
    for (const std::string& name : list_directory(folder)) {
      if (name.starts_with("2-")) out.push_back({name, RowForm::Insert});
    }
    return out;
  }

  void dump_accounts(const std::string& folder) override {
    if (ask("SELECT VERSION()").find("MariaDB") == std::string::npos)
      throw Error(Kind::Config,
                  "users and rights are saved of MariaDB only; set accounts = false for this server");
    ChildOutput child = command(begin_words({"mariadb-dump"}, credentials_));
    child.argv.insert(child.argv.end(), {"--system=users", "--insert-ignore", "--skip-dump-date"});
    const std::string path = join_path(folder, "accounts.sql");
    (void)run_to_file(child, path);
    require_end(path, kMysqlDumpEnd);
  }

 private:
  ChildOutput command(std::vector<std::string> argv) const {
    ChildOutput out;
    out.argv = std::move(argv);
    out.home = home_;
    out.limit = module_.time_limit;
    out.advice = [this](std::string_view said) { return mysql_advice(said, credentials_); };
    return out;
  }

  std::string ask(const std::string& sql) const {
    ChildOutput child = command(mysql_ask_words(credentials_, sql));
    child.limit = std::chrono::seconds(300);
    return run_to_text(child);
  }

  [[nodiscard]] MysqlAsk asking() const {
    return [this](const std::string& sql) { return ask(sql); };
  }

  void check_rights(const std::string& database) const {
    std::vector<std::string> rights{"SELECT", "SHOW VIEW", "TRIGGER", "EVENT"};
    if (module_.flag("lock_tables")) rights.emplace_back("LOCK TABLES");
    require_mysql_rights(asking(), database, std::move(rights), "*.*");
    // Bodies of routines need more than rights on the database.
    if (has_roles(asking())) (void)ask("SELECT COUNT(*) FROM mysql.proc WHERE db = " + literal(database));
  }

  void check_sees_all() const {
    for (const std::string& has : privileges(asking(), "")) {
      if (has == "SHOW DATABASES") return;
    }
    throw Error(Kind::Refused,
                "the account lacks SHOW DATABASES, so nobody knows which databases there are; GRANT SHOW "
                "DATABASES ON *.* TO it, or name them: databases = [...]");
  }

  void write_database(const std::string& database, const std::string& folder) const {
    replace_durably(join_path(folder, "0-database.sql"),
                    "-- of the database that is chosen\n" + mysql_character_set(asking(), database));
  }

  std::vector<std::string> tables_where(const std::string& database, const std::string& condition) const {
    std::vector<std::string> out;
    for (const std::string& line : answer_lines(
             ask("SELECT HEX(TABLE_NAME) FROM information_schema.TABLES WHERE TABLE_TYPE LIKE '%BASE TABLE%' "
                 "AND TABLE_SCHEMA = " +
                 literal(database) + condition)))
      out.push_back(answer_unhex(line));
    return out;
  }

  std::vector<std::string> excluded_tables(const std::string& database) const {
    if (module_.list("exclude_tables").empty()) return {};
    std::vector<std::string> out = tables_where(database, "");
    std::erase_if(out, [&](const std::string& table) {
      return !is_excluded(module_, "exclude_tables", database + "." + table);
    });
    return out;
  }

  // Tables of engines without transactions that were written at `since` or later.
  std::vector<std::string> written(const std::string& database, const std::string& since) const {
    return tables_where(
        database,
        " AND ENGINE IN ('MyISAM','Aria','ARCHIVE','CSV','MRG_MyISAM') AND UPDATE_TIME >= '" + since + "'");
  }
  // The server's time, in whole seconds; a write from now on is seen to be later than those before.
  std::string quiet_moment(const std::string& database) const {
    const std::string now = answer_lines(ask("SELECT NOW()")).at(0);
    if (written(database, now).empty()) return now;
    (void)ask("SELECT SLEEP(1.1)");
    return answer_lines(ask("SELECT NOW()")).at(0);
  }

  // A transaction does not hold still what MyISAM and Aria keep.
  void note_changed(const std::string& database, const std::string& began,
                    std::vector<std::string>& skipped) const {
    for (const std::string& table : written(database, began))
      skipped.push_back("changed " + percent_encode(database + "." + table +
                                                    ": its engine knows no transactions; lock_tables = true "
                                                    "holds it still while it is dumped"));
  }

  std::string home_;
  const ModuleConfig& module_;
  std::string credentials_;
};

}  // namespace

std::unique_ptr<DatabaseServer> connect_mysql(const ClientConfig& config, const ModuleConfig& module) {
  return std::make_unique<Mysql>(config, module);
}

std::vector<std::string> mysql_dump_words(const std::string& access, const std::string& database,
                                          const std::vector<std::string>& more) {
  std::vector<std::string> out = begin_words({"mariadb-dump", "mysqldump"}, access);
  out.insert(out.end(),
             {"--single-transaction", "--skip-lock-tables", "--quick", "--routines", "--events", "--triggers",
              "--hex-blob", "--skip-dump-date", "--order-by-primary", "--skip-extended-insert",
              "--no-tablespaces", "--skip-add-locks", "--no-autocommit"});
  out.insert(out.end(), more.begin(), more.end());
  out.insert(out.end(), {"--", database});
  return out;
}

std::vector<std::string> mysql_ask_words(const std::string& access, const std::string& sql) {
  std::vector<std::string> out = begin_words({"mariadb", "mysql"}, access);
  out.insert(out.end(), {"--batch", "--skip-column-names", "--execute=" + sql});
  return out;
}

void require_mysql_rights(const MysqlAsk& ask, const std::string& database, std::vector<std::string> rights,
                          const std::string& level) {
  if (ask("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = " + literal(database)) ==
      "0\n")
    throw Error(Kind::NotFound, fmt::format("no database {} that this account may see", quoted(database)));
  for (const std::string& has : privileges(ask, database)) std::erase(rights, has);
  if (rights.empty()) return;
  std::string words;
  for (const std::string& word : rights) words += (words.empty() ? "" : ", ") + word;
  throw Error(
      Kind::Refused,
      fmt::format("the account lacks {} for database {}: the dump would not be whole; GRANT {} ON {} TO it",
                  words, quoted(database), words, level));
}

std::string mysql_character_set(const MysqlAsk& ask, const std::string& database) {
  const std::string text =
      ask("SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE "
          "SCHEMA_NAME = " +
          literal(database));
  const std::size_t tab = text.find('\t');
  const std::size_t end = text.find('\n');
  if (tab == std::string::npos || end == std::string::npos)
    throw Error(Kind::Protocol, "the server does not say which character set the database has");
  return fmt::format("ALTER DATABASE CHARACTER SET {} COLLATE {};\n", text.substr(0, tab),
                     text.substr(tab + 1, end - tab - 1));
}

std::string mysql_advice(std::string_view complaint, const std::string& credentials) {
  const std::string file =
      credentials.empty() ? "the option files that the client reads" : quoted(credentials);
  const auto says = [&](std::string_view word) { return complaint.find(word) != std::string_view::npos; };
  if (says("1045") || says("1698")) return "check user and password in " + file;
  if (says("1044") || says("1142") || says("1227") || says("1370"))
    return "the account lacks a right: GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES, SHOW DATABASES "
           "ON *.* TO it";
  if (says("2002") || says("2003") || says("2005"))
    return "is the server running? its host, port or socket stand in " + file;
  if (says("2006") || says("2013")) return "the server ended, or cut the connection";
  if (says("1412")) return "a table was altered meanwhile";
  if (says("1356")) return "a view names what is not there any more: repair or drop it";
  return {};
}

}  // namespace bk::client
