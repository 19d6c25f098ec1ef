#include "client/modules/site_dump.h"

#include "client/modules/child_output.h"
#include "client/modules/copy_folder.h"
#include "client/modules/php_config.h"
#include "client/modules/site_database.h"
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
    // Before anything large is copied.
    if (site_.database.engine != Engine::Sqlite)
      check_site_database(site_, module_, home_, in_spool("check.sql"));
    files();
    database();
    if (kind_ == "wiki" && module_.flag("xml_dump")) pages();
    // What the first one met is met again.
    skipped_ = std::move(skipped_pages_);
    files();
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

  void files() {
    std::set<std::string> left_out;
    for (const std::string& file : site_.database.files) {
      const std::string relative = place_in_site(site_, file);
      if (relative.empty()) continue;
      for (const char* suffix : {"", "-wal", "-shm", "-journal"}) left_out.insert(relative + suffix);
    }
    copy(site_.folder, "site",
         [&](std::string_view relative) { return left_out.contains(std::string(relative)); });
    for (const Site::Part& part : site_.parts) {
      if (is_directory(part.folder)) {
        copy(part.folder, part.name, {});
      } else {
        ensure_directory(parent_of(in_spool(part.name)));
        write(part.name, read_file(part.folder, kMaxPhpBytes));
      }
    }
  }

  void database() {
    if (site_.database.engine == Engine::Sqlite) return sqlite();
    ensure_directory(in_spool("database"));
    const std::string file = in_spool("database/database.sql");
    dump_site_database(site_, module_, home_, file);
    settle_time(file);
  }

  // Where a copy goes: to its place in the site's copy, which has that folder by now; else beside it.
  [[nodiscard]] std::string place_of_copy(const std::string& file) const {
    const std::string inside = place_in_site(site_, file);
    const std::string relative = inside.empty() ? "database/" + base_name(file) : "site/" + inside;
    if (inside.empty()) ensure_directory(in_spool("database"));
    // Who can write into the site may have made a symlink of it meanwhile, which the copy has then, too.
    const std::string folder = real_path(parent_of(in_spool(relative)));
    if (folder != parent_of(join_path(real_path(spool_.folder()), relative)))
      throw Error(Kind::Transient, quoted(parent_of(file)) + " was replaced while it was copied");
    return in_spool(relative);
  }

  void sqlite() {
    for (const std::string& file : site_.database.files) {
      if (!path_exists(file)) throw Error(Kind::NotFound, "there is no database " + quoted(file));
      const std::string to = place_of_copy(file);
      struct stat info {};
      check_sys(::stat(file.c_str(), &info), [&] { return "looking at " + quoted(file); });
      sqlite::copy_database(file, to, std::chrono::seconds(std::stoll(module_.text("lock_wait"))));
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

  // Who the wiki's code runs as when this is root, which it never is.
  [[nodiscard]] struct stat owner_of_wiki() const {
    struct stat out {};
    for (const char* name : {"LocalSettings.php", "images"}) {
      const std::string path = join_path(site_.folder, name);
      if (::stat(path.c_str(), &out) == 0 && out.st_uid != 0) break;
    }
    return out;
  }

  void pages() {
    const std::string script = join_path(site_.folder, "maintenance/dumpBackup.php");
    const std::string settings = join_path(site_.folder, "LocalSettings.php");
    if (::access("/usr/bin/php", X_OK) != 0 || !path_exists(script)) return;
    std::vector<std::string> argv;
    if (::geteuid() == 0) {
      const struct stat owner = owner_of_wiki();
      if (owner.st_uid == 0)
        return skip_pages("LocalSettings.php and images belong to root, as whom nothing of it is run");
      argv = {"/usr/bin/setpriv", fmt::format("--reuid={}", owner.st_uid),
              fmt::format("--regid={}", owner.st_gid), "--clear-groups", "--no-new-privs",
              // Who becomes another user loses what child_output.cc set.
              "--pdeathsig", "KILL"};
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
    skipped_pages_ = {"unreadable " + percent_encode("pages.xml: " + why)};
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
  std::vector<std::string> skipped_, skipped_pages_;
};

}  // namespace

std::vector<std::string> dump_site(const std::string& kind, const Site& site, const ModuleConfig& module,
                                   const std::string& home, Spool& spool) {
  return SiteDump(kind, site, module, home, spool).run();
}

}  // namespace bk::client
