#include "client/modules/site_dump.h"

#include "client/modules/child_output.h"
#include "client/modules/copy_folder.h"
#include "client/modules/mysql.h"
#include "client/modules/postgres.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/sqlite/online_copy.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>

namespace bk::client {
namespace {

using Engine = SiteDatabase::Engine;

constexpr std::chrono::minutes kPatience{5};  // with a writer that holds a SQLite database
constexpr const char* kAccess = "access";     // gone before the dump is one

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

bool lies_below(const std::string& path, const std::string& folder) {
  return path.starts_with(folder == "/" ? folder : folder + "/");
}

// Equal bytes keep their time, so that what did not change is not read again.
void settle_time(const std::string& file) {
  const timespec times[2] = {{0, 0}, {0, 0}};
  check_sys(::utimensat(AT_FDCWD, file.c_str(), times, 0),
            [&] { return "setting the time of " + quoted(file); });
}

class SiteDump {
 public:
  SiteDump(const std::string& kind, const Site& site, const ModuleConfig& module, const std::string& home,
           Spool& spool)
      : kind_(kind), site_(site), module_(module), home_(home), spool_(spool) {}

  std::vector<std::string> run() {
    database();
    if (kind_ == "wiki" && module_.flag("xml_dump")) pages();
    std::set<std::string> below;
    for (const std::string& file : site_.database.files) {
      if (!lies_below(file, site_.folder)) continue;
      const std::string relative = file.substr(site_.folder == "/" ? 1 : site_.folder.size() + 1);
      for (const char* suffix : {"", "-wal", "-shm", "-journal"}) below.insert(relative + suffix);
    }
    copy(site_.folder, "site",
         [&](std::string_view relative) { return below.contains(std::string(relative)); });
    for (const Site::Part& part : site_.parts) {
      if (is_directory(part.folder)) {
        copy(part.folder, part.name, {});
      } else {
        ensure_directory(parent_of(in_spool(part.name)));
        write(part.name, read_file(part.folder, 1U << 20U));
      }
    }
    describe();
    return std::move(skipped_);
  }

 private:
  [[nodiscard]] std::string in_spool(const std::string& name) const {
    return join_path(spool_.folder(), name);
  }
  void write(const std::string& name, const std::string& text) {
    replace_durably(in_spool(name), text);
    settle_time(in_spool(name));
  }
  void copy(const std::string& folder, const std::string& name,
            const std::function<bool(std::string_view)>& leave_out) {
    const CopiedFolder copied = copy_folder(folder, spool_, name, {leave_out});
    for (const std::string& entry : copied.skipped) skipped_.push_back(entry);
  }

  void database() {
    switch (site_.database.engine) {
      case Engine::Sqlite:
        return sqlite();
      case Engine::Mysql:
        return mysql();
      case Engine::Postgres:
        return postgres();
    }
  }

  void sqlite() {
    for (const std::string& file : site_.database.files) {
      const bool inside = lies_below(file, site_.folder);
      const std::string to =
          inside ? in_spool("site" + file.substr(site_.folder == "/" ? 0 : site_.folder.size()))
                 : in_spool("database/" + base_name(file));
      ensure_directory(parent_of(to));
      if (!path_exists(file)) throw Error(Kind::NotFound, "there is no database " + quoted(file));
      struct stat info {};
      check_sys(::stat(file.c_str(), &info), [&] { return "looking at " + quoted(file); });
      sqlite::copy_database(file, to, kPatience);
      const std::vector<std::string> faults = sqlite::check_database(to);
      if (!faults.empty())
        throw Error(Kind::Corrupt, "the database " + quoted(file) + " is damaged: " + faults.front());
      settle_time(to);
      if (::geteuid() == 0)
        check_sys(::lchown(to.c_str(), info.st_uid, info.st_gid),
                  [&] { return "setting the owner of " + quoted(to); });
      check_sys(::chmod(to.c_str(), info.st_mode & 0777U),
                [&] { return "setting the mode of " + quoted(to); });
    }
  }

  [[nodiscard]] ChildOutput child(std::vector<std::string> argv) const {
    ChildOutput out;
    out.argv = std::move(argv);
    out.home = home_;
    out.limit = module_.time_limit;
    return out;
  }

  void mysql() {
    const SiteDatabase& database = site_.database;
    std::string text = "[client]\nuser=\"" + escaped(database.user, "\\\"") + "\"\npassword=\"" +
                       escaped(database.password, "\\\"") + "\"\n";
    if (!database.host.empty()) text += "host=\"" + escaped(database.host, "\\\"") + "\"\n";
    if (database.port != 0) text += fmt::format("port={}\n", database.port);
    if (!database.socket.empty()) text += "socket=\"" + escaped(database.socket, "\\\"") + "\"\n";
    const std::string access = credentials(text);
    ChildOutput dump = child(mysql_dump_words(access, database.name, {}));
    dump.advice = [this](std::string_view said) { return mysql_advice(said, site_.config); };
    dump_database(dump, access, kMysqlDumpEnd, 0);
  }

  void postgres() {
    const SiteDatabase& database = site_.database;
    const std::string access = credentials("*:*:*:*:" + escaped(database.password, ":\\") + "\n");
    ChildOutput dump =
        child({installed_program({"pg_dump"}, "postgresql-client"), "--no-password", "--format=plain",
               "--no-owner", "--no-acl", "--dbname=" + connection_string(database.name)});
    const std::string& host = database.socket.empty() ? database.host : database.socket;
    if (!host.empty()) dump.argv.push_back("--host=" + host);
    if (!database.user.empty()) dump.argv.push_back("--username=" + database.user);
    if (database.port != 0) dump.argv.push_back(fmt::format("--port={}", database.port));
    dump.environment = {"PGPASSFILE=" + access, "PGCONNECT_TIMEOUT=30", "PGAPPNAME=backline"};
    dump_database(dump, access, kPostgresDumpEnd, kBehindPostgresDumpEnd);
  }

  void dump_database(const ChildOutput& dump, const std::string& access, std::string_view end, int behind) {
    ensure_directory(in_spool("database"));
    const std::string file = in_spool("database/database.sql");
    (void)run_to_file(dump, file);
    require_end(file, end, behind);
    settle_time(file);
    check_sys(::unlink(access.c_str()), [&] { return "removing " + quoted(access); });
  }

  // A file that only this user reads, for as long as the dump runs.
  [[nodiscard]] std::string credentials(const std::string& text) const {
    const std::string path = in_spool(kAccess);
    const Fd file = open_file(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    write_all(file.get(), text);
    return path;
  }

  // The wiki's code runs as the wiki's user and never as root.
  void pages() {
    const std::string script = join_path(site_.folder, "maintenance/dumpBackup.php");
    const std::string settings = join_path(site_.folder, "LocalSettings.php");
    if (::access("/usr/bin/php", X_OK) != 0 || !path_exists(script)) return;
    std::vector<std::string> argv;
    if (::geteuid() == 0) {
      struct stat owner {};
      check_sys(::stat(settings.c_str(), &owner), [&] { return "looking at " + quoted(settings); });
      if (owner.st_uid == 0) return skip_pages("LocalSettings.php belongs to root, as whom it is not run");
      argv = {"/usr/bin/setpriv", fmt::format("--reuid={}", owner.st_uid),
              fmt::format("--regid={}", owner.st_gid), "--clear-groups", "--no-new-privs"};
    }
    argv.insert(argv.end(), {"/usr/bin/php", script, "--full", "--quiet", "--conf", settings});
    try {
      (void)run_to_file(child(argv), in_spool("pages.xml"));
      require_end(in_spool("pages.xml"), "</mediawiki>");
      settle_time(in_spool("pages.xml"));
    } catch (const Error& error) {
      (void)::unlink(in_spool("pages.xml").c_str());
      skip_pages(error.what());
    }
  }
  void skip_pages(const std::string& why) {
    skipped_.push_back("unreadable " + percent_encode("pages.xml: " + why));
  }

  void describe() {
    std::string text = "kind: " + kind_ + "\nfolder: " + percent_encode(site_.folder) + "\n";
    const SiteDatabase& database = site_.database;
    text += database.engine == Engine::Sqlite  ? "database: sqlite\n"
            : database.engine == Engine::Mysql ? "database: mysql\n"
                                               : "database: postgres\n";
    if (!database.name.empty()) text += "name: " + percent_encode(database.name) + "\n";
    for (const std::string& file : database.files) text += "file: " + percent_encode(file) + "\n";
    if (!site_.prefix.empty()) text += "prefix: " + percent_encode(site_.prefix) + "\n";
    for (const Site::Part& part : site_.parts)
      text += "part: " + part.name + " " + percent_encode(part.folder) + "\n";
    write("site.txt", text);
  }

  const std::string& kind_;
  const Site& site_;
  const ModuleConfig& module_;
  const std::string& home_;
  Spool& spool_;
  std::vector<std::string> skipped_;
};

}  // namespace

std::vector<std::string> dump_site(const std::string& kind, const Site& site, const ModuleConfig& module,
                                   const std::string& home, Spool& spool) {
  return SiteDump(kind, site, module, home, spool).run();
}

}  // namespace bk::client
