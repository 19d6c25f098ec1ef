#include "client/modules/site_database.h"

#include "client/modules/child_output.h"
#include "client/modules/mysql.h"
#include "client/modules/postgres.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace bk::client {
namespace {

using Engine = SiteDatabase::Engine;

constexpr std::chrono::seconds kAnswer{300};  // to a question, which is no dump

// In double quotes, as both programs' files want it.
std::string escaped(const std::string& text, std::string_view special) {
  std::string out;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20)
      throw Error(Kind::Config, "user or password with a control byte");
    if (special.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

// A file that only this user reads, for as long as the dump runs.
class Access {
 public:
  Access(std::string path, const std::string& text) : path_(std::move(path)) {
    const Fd file = open_file(path_, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    try {
      write_all(file.get(), text);
    } catch (...) {
      (void)::unlink(path_.c_str());
      throw;
    }
  }
  ~Access() { (void)::unlink(path_.c_str()); }
  Access(const Access&) = delete;
  Access& operator=(const Access&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string option_file(const SiteDatabase& database) {
  std::string out = "[client]\n";
  const auto add = [&](std::string_view key, const std::string& value) {
    if (!value.empty()) out += fmt::format("{}=\"{}\"\n", key, escaped(value, "\\\""));
  };
  add("user", database.user);
  add("password", database.password);
  // A host other than localhost beside it would mean TCP.
  if (database.socket.empty()) add("host", database.host);
  if (database.port != 0) add("port", std::to_string(database.port));
  add("socket", database.socket);
  return out;
}

// As an SQL name in a message that people copy.
std::string level_of(const std::string& database) {
  return database.find('`') == std::string::npos ? "`" + database + "`.*" : "it";
}

class SiteServer {
 public:
  // The account lies in a file beside `file` as long as this object lives.
  SiteServer(const Site& site, const ModuleConfig& module, const std::string& home, const std::string& file)
      : site_(site),
        module_(module),
        home_(home),
        file_(file),
        access_(file + ".access", site.database.engine == Engine::Mysql
                                      ? option_file(site.database)
                                      : "*:*:*:*:" + escaped(site.database.password, ":\\") + "\n") {}

  void check() const {
    const SiteDatabase& database = site_.database;
    if (database.engine == Engine::Mysql) {
      require_mysql_rights(asking(), database.name, {"SELECT", "SHOW VIEW", "TRIGGER", "EVENT"},
                           level_of(database.name));
    } else {
      ChildOutput question = postgres("psql", {"--no-psqlrc", "--quiet", "--command=SELECT 1"});
      question.limit = kAnswer;
      (void)run_to_text(question);
    }
  }

  void dump() {
    const SiteDatabase& database = site_.database;
    out_ = open_file(file_, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (database.engine == Engine::Mysql) {
      write(mysql_character_set(asking(), database.name));
      ChildOutput dump = child(mysql_dump_words(access_.path(), database.name, {}));
      dump.quiet = lock_wait();
      run(dump, kMysqlDumpEnd, 0);
    } else {
      run(postgres("pg_dump", {"--format=plain", "--no-owner", "--no-acl", "--encoding=UTF8",
                               fmt::format("--lock-wait-timeout={}s", lock_wait().count())}),
          kPostgresDumpEnd, kBehindPostgresDumpEnd);
    }
  }

 private:
  [[nodiscard]] std::chrono::seconds lock_wait() const {
    return std::chrono::seconds(std::stoll(module_.text("lock_wait")));
  }
  [[nodiscard]] ChildOutput child(std::vector<std::string> argv) const {
    ChildOutput out;
    out.argv = std::move(argv);
    out.home = home_;
    out.limit = module_.time_limit;
    out.advice = [this](std::string_view said) {
      return site_advice(site_.database.engine, said, site_.config);
    };
    return out;
  }
  [[nodiscard]] MysqlAsk asking() const {
    return [this](const std::string& sql) {
      ChildOutput question = child(mysql_ask_words(access_.path(), sql));
      question.limit = kAnswer;
      return run_to_text(question);
    };
  }
  [[nodiscard]] ChildOutput postgres(std::string_view program, const std::vector<std::string>& words) const {
    const SiteDatabase& database = site_.database;
    ChildOutput out = child({installed_program({program}, "postgresql-client"), "--no-password",
                             "--dbname=" + connection_string(database.name)});
    const std::string& host = database.socket.empty() ? database.host : database.socket;
    if (!host.empty()) out.argv.push_back("--host=" + host);
    if (!database.user.empty()) out.argv.push_back("--username=" + database.user);
    if (database.port != 0) out.argv.push_back(fmt::format("--port={}", database.port));
    out.argv.insert(out.argv.end(), words.begin(), words.end());
    out.environment = {"PGPASSFILE=" + access_.path(), "PGCONNECT_TIMEOUT=30", "PGAPPNAME=backline"};
    return out;
  }
  void write(std::string_view bytes) {
    try {
      write_all(out_.get(), bytes);
    } catch (Error& error) {
      error.add_context("writing the dump " + quoted(file_));
      throw;
    }
  }
  void run(const ChildOutput& dump, std::string_view end, int behind) {
    run_to_sink(dump, [this](std::string_view bytes) { write(bytes); });
    require_end(file_, end, behind);
  }

  const Site& site_;
  const ModuleConfig& module_;
  const std::string& home_;
  std::string file_;
  Access access_;
  Fd out_;
};

}  // namespace

void check_site_database(const Site& site, const ModuleConfig& module, const std::string& home,
                         const std::string& scratch) {
  SiteServer(site, module, home, scratch).check();
}

void dump_site_database(const Site& site, const ModuleConfig& module, const std::string& home,
                        const std::string& file) {
  SiteServer(site, module, home, file).dump();
}

std::string site_advice(Engine engine, std::string_view complaint, const std::string& config) {
  const auto says = [&](std::string_view word) { return complaint.find(word) != std::string_view::npos; };
  const std::string account = "the account that " + quoted(config) + " names";
  if (engine == Engine::Mysql) {
    if (says("1049")) return "is the database's name right in " + quoted(config) + "?";
    if (says("1044") || says("1142") || says("1227") || says("1370"))
      return account + " lacks a right: GRANT SELECT, SHOW VIEW, TRIGGER, EVENT on the database TO it";
    if (says("insufficent privileges") || says("insufficient privileges"))
      return "bodies of routines are seen by who made them, or with GRANT SELECT ON mysql.proc TO " + account;
    return mysql_advice(complaint, config);
  }
  if (says("password authentication failed") || says("no password supplied"))
    return "check user and password in " + quoted(config);
  if (says("Connection refused") || says("No such file or directory") || says("could not translate host") ||
      says("the database system is s"))  // starting up, shutting down
    return "is the server running? its host and port stand in " + quoted(config);
  if (says("\" does not exist")) return "are user and database right in " + quoted(config) + "?";
  return postgres_advice(complaint, config);
}

}  // namespace bk::client
