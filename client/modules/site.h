// What a site consists of, read from its own configuration: Trac (conf/trac.ini), MediaWiki
// (LocalSettings.php), WordPress (wp-config.php).  Nothing of the site is run to find it out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bk::client {

struct SiteDatabase {
  enum class Engine { Sqlite, Mysql, Postgres };
  Engine engine = Engine::Sqlite;
  std::vector<std::string> files;  // Sqlite: clean absolute
  std::string name, user, password;
  std::string host;  // "" the server's own default
  std::uint16_t port = 0;
  std::string socket;  // Mysql: the socket; Postgres: the folder of the socket
};

struct Site {
  std::string config;  // the file that says all this
  std::string folder;  // copied as site/
  SiteDatabase database;
  std::string prefix;  // of the tables
  struct Part {
    std::string name, folder;  // copied under that name; "folder" may be one file
  };
  std::vector<Part> parts;  // what belongs to the site and lies outside of `folder`: see site_dump.h
};

// `kind` is trac, wiki or wordpress.  Throws Config (what the file does not say, or not in plain words),
// NotFound, Io.
[[nodiscard]] Site read_site(std::string_view kind, const std::string& folder);

// Where in the site's folder a database lies, whatever symlinks the folders above it are: a path below it;
// "" when it is outside, or its folder is not there.
[[nodiscard]] std::string place_in_site(const Site& site, const std::string& file);
// Without symlinks; "" when it leads nowhere.
[[nodiscard]] std::string real_path(const std::string& path);

// The parsers, pure.  `folder` only makes names whole.
[[nodiscard]] SiteDatabase parse_trac_database(std::string_view text, const std::string& folder);
// The value of a key in an INI section, as Trac reads it; "" when it is not there.
[[nodiscard]] std::string ini_value(std::string_view text, std::string_view section, std::string_view key);
// "host", "host:port", "host:/socket", ":/socket", "[v6]:port".
void parse_mysql_host(std::string_view text, SiteDatabase& out);

}  // namespace bk::client
