#include "client/modules/site.h"

#include "client/modules/php_config.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/path/names.h"
#include "common/text/ascii.h"
#include "common/text/escape.h"
#include "common/text/number.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

namespace bk::client {
namespace {

using Engine = SiteDatabase::Engine;

std::string whole_path(const std::string& folder, const std::string& path) {
  return clean_absolute(path.starts_with('/') ? path : join_path(folder, path));
}

// "%40" is '@'; anything else stays.
std::string url_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string hex = lower_ascii(text[i] == '%' ? text.substr(i + 1, 2) : std::string_view());
    const std::optional<std::string> byte = hex.size() == 2 ? hex_decode(hex) : std::nullopt;
    if (byte) {
      out += *byte;
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::uint16_t port_of(std::string_view text) {
  const std::optional<std::uint16_t> port = parse_int<std::uint16_t>(text, 1, UINT16_MAX);
  if (!port) throw Error(Kind::Config, quoted(text) + " is not a port");
  return *port;
}

void split_host(std::string_view text, SiteDatabase& out) {
  const std::size_t colon = text.rfind(':');
  if (text.starts_with('[')) {
    const std::size_t end = std::min(text.find(']'), text.size());
    out.host = text.substr(1, end - 1);
    if (colon != std::string_view::npos && colon > end) out.port = port_of(text.substr(colon + 1));
  } else if (colon != std::string_view::npos && text.find(':') == colon) {
    out.host = text.substr(0, colon);
    out.port = port_of(text.substr(colon + 1));
  } else {
    out.host = text;
  }
}

std::string text_of(const std::string& file) { return read_file(file, kMaxPhpBytes); }

bool lies_below(const std::string& path, const std::string& folder) {
  return path == folder || path.starts_with(folder == "/" ? folder : folder + "/");
}

// A symlink of the site that leads out of its folder: what it leads to is saved beside it.
void add_linked(Site& site, const std::string& relative) {
  const std::string path = join_path(site.folder, relative);
  struct stat info {};
  if (::lstat(path.c_str(), &info) < 0 || !S_ISLNK(info.st_mode)) return;
  const std::string real = real_path(path);
  if (!real.empty() && !lies_below(real, real_path(site.folder)))
    site.parts.push_back({"linked/" + relative, real});
}

// -- Trac

std::string inherited(const std::string& folder, const std::string& conf) {
  std::string files = ini_value(conf, "inherit", "file");
  for (std::size_t begin = 0; begin < files.size();) {
    const std::size_t end = std::min(files.find(',', begin), files.size());
    const std::string name(trimmed(std::string_view(files).substr(begin, end - begin)));
    begin = end + 1;
    if (name.empty()) continue;
    const std::string file = whole_path(join_path(folder, "conf"), name);
    const std::string value = ini_value(text_of(file), "trac", "database");
    if (!value.empty()) return value;
  }
  return {};
}

Site read_trac(const std::string& folder) {
  const std::string file = join_path(folder, "conf/trac.ini");
  if (!path_exists(file)) throw Error(Kind::NotFound, "no Trac environment: " + quoted(file) + " is missing");
  const std::string conf = text_of(file);
  std::string database = ini_value(conf, "trac", "database");
  if (database.empty()) database = inherited(folder, conf);
  if (database.empty()) database = "sqlite:db/trac.db";  // Trac's own default
  Site out;
  out.config = file;
  out.folder = folder;
  out.database = parse_trac_database(database, folder);
  for (const char* linked : {"conf", "conf/trac.ini", "files", "files/attachments", "attachments", "htdocs",
                             "plugins", "templates"})
    add_linked(out, linked);
  return out;
}

// -- PHP sites

std::string needed(const std::optional<std::string>& value, const std::string& name) {
  if (!value || value->empty()) throw Error(Kind::Config, name + " is not in it");
  return *value;
}

void add_part(Site& site, const std::string& name, const std::string& folder) {
  if (!lies_below(folder, site.folder)) site.parts.push_back({name, folder});
}

Site read_wordpress_config(const std::string& folder, const std::string& file) {
  const std::string text = text_of(file);
  if (text.find("'/etc/wordpress/config-") != std::string::npos)
    throw Error(Kind::Config,
                "Debian's own settings, which depend on the host that is asked for, are not read; save its "
                "database by module mysql, and /etc/wordpress and /var/lib/wordpress by module directories");
  const PhpConfig php(text, parent_of(file), {});
  Site out;
  out.config = file;
  out.folder = folder;
  out.database.engine = Engine::Mysql;
  out.database.name = needed(php.constant("DB_NAME"), "DB_NAME");
  out.database.user = needed(php.constant("DB_USER"), "DB_USER");
  out.database.password = php.constant("DB_PASSWORD").value_or("");
  parse_mysql_host(php.constant("DB_HOST").value_or("localhost"), out.database);
  out.prefix = php.variable("table_prefix").value_or("wp_");
  if (const auto content = php.constant("WP_CONTENT_DIR"))
    add_part(out, "wp-content", whole_path(folder, *content));
  if (parent_of(file) != folder) out.parts.push_back({"above/wp-config.php", file});
  for (const char* linked : {"wp-config.php", "wp-content", "wp-content/uploads"}) add_linked(out, linked);
  return out;
}

Site read_wordpress(const std::string& folder) {
  std::string file = join_path(folder, "wp-config.php");
  // WordPress itself looks one folder above, too.
  if (!path_exists(file)) file = join_path(parent_of(folder), "wp-config.php");
  if (!path_exists(file))
    throw Error(Kind::NotFound,
                "no WordPress: " + quoted(join_path(folder, "wp-config.php")) + " is missing");
  try {
    return read_wordpress_config(folder, file);
  } catch (Error& error) {
    error.add_context("reading " + quoted(file));
    throw;
  }
}

std::vector<std::string> sqlite_files(const std::string& folder, const std::string& name) {
  const std::string first = join_path(folder, name + ".sqlite");
  if (!path_exists(first)) throw Error(Kind::NotFound, "there is no database " + quoted(first));
  std::vector<std::string> out;
  for (const std::string& file : list_directory(folder)) {
    if (file.ends_with(".sqlite")) out.push_back(join_path(folder, file));
  }
  // The wiki's own first: what the others hold can be made again.
  std::stable_partition(out.begin(), out.end(), [&](const std::string& file) { return file == first; });
  return out;
}

Site read_wiki_config(const std::string& folder, const std::string& file) {
  const PhpConfig php(text_of(file), folder, {{"IP", folder}});
  Site out;
  out.config = file;
  out.folder = folder;
  if (php.variable("wgDBservers"))
    throw Error(Kind::Config, "$wgDBservers names several servers, which this version does not read");
  const std::string type = php.variable("wgDBtype").value_or("mysql");
  SiteDatabase& database = out.database;
  database.name = needed(php.variable("wgDBname"), "$wgDBname");
  out.prefix = php.variable("wgDBprefix").value_or("");
  const std::string uploads = php.variable("wgUploadDirectory").value_or(folder + "/images");
  add_part(out, "images", whole_path(folder, uploads));
  for (const char* linked : {"LocalSettings.php", "images"}) add_linked(out, linked);
  if (type == "sqlite") {
    database.files = sqlite_files(
        whole_path(folder, needed(php.variable("wgSQLiteDataDir"), "$wgSQLiteDataDir")), database.name);
    return out;
  }
  if (type != "mysql" && type != "postgres")
    throw Error(Kind::Config, "$wgDBtype " + quoted(type) + " is none of mysql, postgres, sqlite");
  database.engine = type == "mysql" ? Engine::Mysql : Engine::Postgres;
  database.user = needed(php.variable("wgDBuser"), "$wgDBuser");
  database.password = php.variable("wgDBpassword").value_or("");
  const std::string server = php.variable("wgDBserver").value_or("localhost");
  if (database.engine == Engine::Mysql) {
    parse_mysql_host(server, database);
  } else {
    split_host(server, database);
    if (const auto port = php.variable("wgDBport")) database.port = port_of(*port);
  }
  return out;
}

Site read_wiki(const std::string& folder) {
  const std::string file = join_path(folder, "LocalSettings.php");
  if (!path_exists(file)) throw Error(Kind::NotFound, "no MediaWiki: " + quoted(file) + " is missing");
  try {
    return read_wiki_config(folder, file);
  } catch (Error& error) {
    error.add_context("reading " + quoted(file));
    throw;
  }
}

}  // namespace

std::string real_path(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), std::free);
  return real ? real.get() : "";
}

std::string place_in_site(const Site& site, const std::string& file) {
  const std::string folder = real_path(parent_of(file));
  const std::string top = real_path(site.folder);
  if (folder.empty() || top.empty() || !lies_below(folder, top)) return {};
  return join_path(folder, base_name(file)).substr(top == "/" ? 1 : top.size() + 1);
}

std::string ini_value(std::string_view text, std::string_view section, std::string_view key) {
  std::string at, value;
  bool ours = false;  // the line before belongs to the key, and may be continued
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::string_view inner = trimmed(line);
    if (inner.empty() || inner.front() == '#' || inner.front() == ';') continue;
    if (line.front() == ' ' || line.front() == '\t') {
      if (ours) value.append(inner);
      continue;
    }
    ours = false;
    if (inner.front() == '[' && inner.back() == ']') {
      at = inner.substr(1, inner.size() - 2);
      continue;
    }
    const std::size_t equals = inner.find_first_of("=:");
    if (at != section || equals == std::string_view::npos || trimmed(inner.substr(0, equals)) != key)
      continue;
    value = trimmed(inner.substr(equals + 1));
    ours = true;
  }
  return value;
}

SiteDatabase parse_trac_database(std::string_view text, const std::string& folder) {
  SiteDatabase out;
  const std::size_t colon = text.find(':');
  const std::string_view scheme = text.substr(0, colon);
  std::string_view rest = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  const std::size_t question = std::min(rest.find('?'), rest.size());
  const std::string_view options = question < rest.size() ? rest.substr(question + 1) : std::string_view();
  rest = rest.substr(0, question);
  if (scheme == "sqlite") {
    if (rest.starts_with("//")) rest.remove_prefix(2);
    if (rest.empty() || rest.front() == ':') throw Error(Kind::Config, quoted(text) + " names no file");
    out.files = {whole_path(folder, std::string(rest))};
    return out;
  }
  if ((scheme != "postgres" && scheme != "mysql") || !rest.starts_with("//"))
    throw Error(Kind::Config, quoted(text.substr(0, colon)) + " is none of sqlite, postgres, mysql");
  out.engine = scheme == "mysql" ? Engine::Mysql : Engine::Postgres;
  rest.remove_prefix(2);
  const std::size_t slash =
      std::min(rest.find('/', rest.find('@') == std::string_view::npos ? 0 : rest.rfind('@')), rest.size());
  std::string_view authority = rest.substr(0, slash);
  out.name = slash < rest.size() ? url_decode(rest.substr(slash + 1)) : "";
  if (out.name.empty()) throw Error(Kind::Config, "the database's name is missing in trac.ini");
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
    const std::string_view login = authority.substr(0, at);
    const std::size_t split = std::min(login.find(':'), login.size());
    out.user = url_decode(login.substr(0, split));
    if (split < login.size()) out.password = url_decode(login.substr(split + 1));
    authority.remove_prefix(at + 1);
  }
  split_host(authority, out);
  for (std::string_view left = options; !left.empty();) {
    const std::size_t end = std::min(left.find('&'), left.size());
    const std::string_view word = left.substr(0, end);
    left.remove_prefix(std::min(end + 1, left.size()));
    if (word.starts_with("host=")) out.socket = url_decode(word.substr(5));
    if (word.starts_with("unix_socket=")) out.socket = url_decode(word.substr(12));
    if (word.starts_with("read_default_"))
      throw Error(Kind::Config,
                  "its database's account stands in another file, which is not read: " + quoted(word));
  }
  return out;
}

void parse_mysql_host(std::string_view text, SiteDatabase& out) {
  if (text.starts_with("p:")) text.remove_prefix(2);  // a persistent connection
  if (const std::size_t socket = text.find(":/"); socket != std::string_view::npos) {
    out.socket = text.substr(socket + 1);
    std::string_view before = text.substr(0, socket);
    if (!before.empty()) split_host(before, out);
    return;
  }
  split_host(text, out);
}

Site read_site(std::string_view kind, const std::string& folder) {
  if (kind == "trac") return read_trac(folder);
  if (kind == "wordpress") return read_wordpress(folder);
  if (kind == "wiki") return read_wiki(folder);
  throw Error(Kind::Usage, quoted(kind) + " is none of trac, wiki, wordpress");
}

}  // namespace bk::client
