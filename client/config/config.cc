#include "client/config/config.h"

#include "client/config/kinds.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/path/names.h"
#include "common/text/escape.h"

#include <fmt/format.h>

#include <algorithm>

namespace bk::client {
namespace {

constexpr ConfigKey kSchema[] = {
    {"host", ConfigType::Text, kRequired, "this machine's name, as a cmd may write it before a place"},
    {"default_server", ConfigType::Text, "",
     "the server that \"\" means; with one server it need not be said"},
    {"administrators", ConfigType::TextList, "", "mail addresses for what needs attention"},
    {"parallel", ConfigType::Number, "2", "how many requests are prepared at once, 1 to 64"},
    {"keep_finished", ConfigType::Duration, "7d", "how long finished requests stay listed"},
    {"keep_spool", ConfigType::Duration, "30d",
     "how long a dump stays in spool/ that no request uses, to compare the next one with"},
    {"push_timeout", ConfigType::Duration, "2m",
     "the control line gives up after this long without progress"},
    {"server.NAME.url", ConfigType::Text, kRequired, "ssh://user@host[:port]/CLIENT.git"},
    {"server.NAME.hostkey", ConfigType::Text, kRequired, "the server's host key: \"ssh-ed25519 AAAA...\""},
    {"server.NAME.identity", ConfigType::Text, kRequired,
     "private key; relative to the home folder or absolute"},
    {"module.NAME.kind", ConfigType::Text, "", "the built-in module that this is another one of"},
    {"module.NAME.paths", ConfigType::TextList, "", "absolute paths that backup_it NAME asks for"},
    {"module.NAME.cmd", ConfigType::TextList, "",
     "program in scripts/cmds and its fixed arguments; built-in modules have their own"},
    {"module.NAME.method", ConfigType::Text, "",
     "git, sftp, rsync or the administrator's own; built-in modules have their own"},
    {"module.NAME.exclude", ConfigType::TextList, "", "patterns of entries to leave out of trees"},
    {"module.NAME.exclude_caches", ConfigType::Flag, "false",
     "of a directory with a CACHEDIR.TAG take only the tag"},
    {"module.NAME.exclude_if_present", ConfigType::TextList, "",
     "names; of a directory that holds one of them take only that entry"},
    {"module.NAME.max_file_size", ConfigType::Size, "0", "list longer files as skipped; 0: no limit"},
    {"module.NAME.one_fs", ConfigType::Flag, "false", "do not enter other file systems"},
    {"module.NAME.time_limit", ConfigType::Duration, "6h",
     "a cmd that runs longer is stopped and has failed"},
    {"module.NAME.credentials", ConfigType::Text, "",
     "file of mode 0600 with user and password, in the database's own form"},
    {"module.NAME.databases", ConfigType::TextList, "", "databases to save; none: all that the server lists"},
    {"module.NAME.exclude_databases", ConfigType::TextList, "", "patterns of databases to leave out"},
    {"module.NAME.exclude_tables", ConfigType::TextList, "",
     "patterns of tables whose rows are left out: database.table"},
    {"module.NAME.accounts", ConfigType::Flag, "true", "save users, roles and their rights, too"},
    {"module.NAME.changes", ConfigType::Flag, "true",
     "keep a large table of which few rows changed as its older state and what changed"},
    {"module.NAME.lock_tables", ConfigType::Flag, "false",
     "lock a database's tables while it is dumped: for engines without transactions"},
    {"module.NAME.lock_wait", ConfigType::Duration, "10m",
     "a dump that waits for a lock for this long has failed"},
    {"module.NAME.host", ConfigType::Text, "",
     "the database server's name or address, or its socket's folder"},
    {"module.NAME.port", ConfigType::Number, "0", "the database server's port; 0: its usual one"},
    {"module.NAME.user", ConfigType::Text, "", "the user or role that may read everything"},
    {"module.NAME.format", ConfigType::Text, "directory", "of a dump: directory, custom or plain"},
    {"module.NAME.xml_dump", ConfigType::Flag, "true",
     "wiki: its own dump of pages and history, too, where php is installed"},
    {"module.NAME.before", ConfigType::TextList, "",
     "program and arguments, run before the cmd: a service pause, a snapshot"},
    {"module.NAME.after", ConfigType::TextList, "",
     "program and arguments, always run when the cmd has ended, however it did"},
    {"module.NAME.release", ConfigType::TextList, "",
     "program and arguments, always run when the server has what it asked for, or never will"},
    {"module.NAME.step_limit", ConfigType::Duration, "10m",
     "`before`, `after` and `release`: stopped and failed after this long"},
    {"module.NAME.release_after", ConfigType::Duration, "24h",
     "`release` runs then, although no outcome came"},
    {"module.NAME.path.PATH.exclude", ConfigType::TextList, "", "as above, for this path instead"},
    {"module.NAME.path.PATH.exclude_caches", ConfigType::Flag, "false", "as above, for this path instead"},
    {"module.NAME.path.PATH.exclude_if_present", ConfigType::TextList, "", "as above, for this path instead"},
    {"module.NAME.path.PATH.max_file_size", ConfigType::Size, "0", "as above, for this path instead"},
    {"module.NAME.path.PATH.one_fs", ConfigType::Flag, "false", "as above, for this path instead"},
    {"module.NAME.path.PATH.before", ConfigType::TextList, "", "as above, for this path instead"},
    {"module.NAME.path.PATH.after", ConfigType::TextList, "", "as above, for this path instead"},
    {"module.NAME.path.PATH.release", ConfigType::TextList, "", "as above, for this path instead"},
    {"module.NAME.path.PATH.read_from", ConfigType::Text, "",
     "the tree is read from this folder, which `before` makes: a snapshot; its name stays PATH"},
    {"consent.SERVER.roots", ConfigType::TextList, "", "more trees that SERVER may read (method rsync)"},
    {"consent.SERVER.repositories", ConfigType::TextList, "",
     "more repositories, or folders of them, that SERVER may read (method git)"},
    {"consent.SERVER.spool", ConfigType::TextList, "",
     "more folders or files that SERVER may read (method sftp)"},
    {"consent.SERVER.deny", ConfigType::TextList, "", "paths that SERVER may never read, whatever is queued"},
    {"consent.SERVER.allow", ConfigType::TextList, "",
     "paths at or below which SERVER may read private keys, too; `/proc`, `/sys`: these trees"},
    {"consent.SERVER.unconfined", ConfigType::Flag, "false",
     "serve git and sftp without Landlock where the kernel has none"},
};

bool is_program(const std::string& word) { return word.starts_with('/') || is_component(word); }

// A path as written, cleaned; relative ones only where `base` is given.
std::string path_of(const Config& file, Config::Path key, const std::string& text, const std::string& base) {
  std::string full = text.starts_with('/') || base.empty() ? text : join_path(base, text);
  if (!full.starts_with('/')) file.refuse(key, quoted(text) + " is not an absolute path");
  try {
    full = clean_absolute(full);
  } catch (const Error& error) {
    file.refuse(key, error.what());
  }
  if (!is_clean_absolute(full)) file.refuse(key, quoted(text) + " is longer than a path can be");
  return full;
}

std::vector<std::string> paths_of(const Config& file, Config::Path key) {
  std::vector<std::string> out;
  for (const std::string& text : file.list(key)) out.push_back(path_of(file, key, text, ""));
  return out;
}

// "ssh://git@host:22/web1.git" -> "web1".  The full rules for URLs are those of common/ssh, on connecting.
std::string client_name_in(const Config& file, Config::Path key, const std::string& url) {
  const std::size_t slash = url.rfind('/');
  const std::size_t authority_end = url.find('/', std::string_view("ssh://").size());
  if (!url.starts_with("ssh://") || authority_end == std::string::npos || url.find('@') > authority_end)
    file.refuse(key, quoted(url) + " is not of the form ssh://user@host[:port]/CLIENT.git");
  std::string name = url.substr(slash + 1);
  if (name.ends_with(".git")) name.resize(name.size() - 4);
  if (!is_safe_name(name)) file.refuse(key, quoted(url) + " does not end with a client's name, as /web1.git");
  return name;
}

ServerConfig server_of(const Config& file, const std::string& name, const std::string& home) {
  ServerConfig out;
  out.name = name;
  out.url = file.text({"server", name, "url"});
  out.client = client_name_in(file, {"server", name, "url"}, out.url);
  out.hostkey = file.text({"server", name, "hostkey"});
  if (out.hostkey.find(' ') == std::string::npos)
    file.refuse({"server", name, "hostkey"}, "expected \"<type> <base64>\", as in a .pub file");
  out.identity = path_of(file, {"server", name, "identity"}, file.text({"server", name, "identity"}), home);
  return out;
}

// The keys of some kinds only: a key that would mean nothing is refused.
void read_values(const Config& file, ModuleConfig& module) {
  for (const KindKey& row : kind_keys()) {
    const std::initializer_list<std::string_view> path{"module", module.name, row.key};
    if (!has_key(row, module.kind)) {
      if (file.has(path))
        file.refuse(path, fmt::format("a module of kind {} has no such key; it is for: {}",
                                      module.kind.empty() ? "\"\" (your own)" : module.kind, row.kinds));
      continue;
    }
    std::vector<std::string>& out = module.values[std::string(row.key)];
    switch (row.type) {
      case ConfigType::TextList:
        out = file.list(path);
        break;
      case ConfigType::Flag:
        out = {file.flag(path) ? "true" : "false"};
        break;
      case ConfigType::Number:
        out = {std::to_string(file.number(path))};
        break;
      case ConfigType::Size:
        out = {std::to_string(file.size(path))};
        break;
      case ConfigType::Duration:
        out = {std::to_string(file.duration(path).count())};
        break;
      case ConfigType::Text:
        out = {file.text(path)};
        if (row.is_path && !out[0].empty()) out = {path_of(file, path, out[0], "")};
        break;
    }
  }
}

// The options of a module or of one of its paths; what is not in the file stays as it is.
void read_options(const Config& file, std::vector<std::string_view> above, PathConfig& out) {
  above.emplace_back();
  const auto key = [&](std::string_view word) -> const std::vector<std::string_view>& {
    above.back() = word;
    return above;
  };
  for (const auto& [word, list] : {std::pair("exclude", &out.exclude),
                                   {"exclude_if_present", &out.exclude_if_present},
                                   {"before", &out.before},
                                   {"after", &out.after},
                                   {"release", &out.release}}) {
    if (file.has(key(word))) *list = file.list(key(word));
  }
  for (const std::string& marker : out.exclude_if_present) {
    if (!is_component(marker)) file.refuse(key("exclude_if_present"), quoted(marker) + " is not a file name");
  }
  for (const auto& [word, list] :
       {std::pair("before", &out.before), {"after", &out.after}, {"release", &out.release}}) {
    if (!list->empty() && !is_program(list->front()))
      file.refuse(key(word), quoted(list->front()) + " is neither a file name nor an absolute path");
  }
  if (file.has(key("exclude_caches"))) out.exclude_caches = file.flag(key("exclude_caches"));
  if (file.has(key("one_fs"))) out.one_fs = file.flag(key("one_fs"));
  if (file.has(key("max_file_size"))) out.max_file_bytes = file.size(key("max_file_size"));
}

PathConfig path_config_of(const Config& file, const ModuleConfig& module, const std::string& path) {
  PathConfig out = module;
  read_options(file, {"module", module.name, "path", path}, out);
  const std::initializer_list<std::string_view> key{"module", module.name, "path", path, "read_from"};
  if (file.has(key)) out.read_from = path_of(file, key, file.text(key), "");
  return out;
}

std::chrono::seconds positive_duration(const Config& file, const std::string& module, std::string_view key) {
  const std::chrono::seconds out = file.duration({"module", module, key});
  if (out.count() == 0) file.refuse({"module", module, key}, "must be longer than nothing");
  return out;
}

ModuleConfig module_of(const Config& file, const std::string& name) {
  ModuleConfig out;
  out.name = name;
  out.kind = file.text({"module", name, "kind"});
  if (find_kind(name) != nullptr) {
    if (!out.kind.empty() && out.kind != name)
      file.refuse({"module", name, "kind"}, quoted(name) + " is built in and of its own kind");
    out.kind = name;
  }
  const BuiltIn* built_in = find_kind(out.kind);
  if (built_in == nullptr && !out.kind.empty())
    file.refuse({"module", name, "kind"}, quoted(out.kind) + " is not built in; there are: " + kind_names());
  out.cmd = file.list({"module", name, "cmd"});
  out.paths = paths_of(file, {"module", name, "paths"});
  out.method = file.text({"module", name, "method"});
  read_options(file, {"module", name}, out);
  out.time_limit = positive_duration(file, name, "time_limit");
  out.step_limit = positive_duration(file, name, "step_limit");
  out.release_after = positive_duration(file, name, "release_after");
  for (const std::string& path : file.tables({"module", name, "path"}))
    out.by_path.emplace(path, path_config_of(file, out, path));
  if (built_in != nullptr) {
    if (out.cmd.empty()) {
      out.cmd.emplace_back(built_in->program);
      if (!built_in->argument.empty()) out.cmd.emplace_back(built_in->argument);
    }
    if (out.method.empty()) out.method = built_in->method;
  }
  if (out.cmd.empty() || out.cmd.front().empty())
    file.refuse(
        {"module", name, "cmd"},
        "a module that is not built in needs one: the program in scripts/cmds that prepares its data");
  if (!is_program(out.cmd.front()))
    file.refuse({"module", name, "cmd"},
                quoted(out.cmd.front()) + " is neither a file name nor an absolute path");
  if (!out.method.empty() && !is_safe_name(out.method))
    file.refuse({"module", name, "method"}, quoted(out.method) + " is not a name");
  read_values(file, out);
  return out;
}

ConsentConfig consent_of(const Config& file, const std::string& server) {
  ConsentConfig out;
  out.roots = paths_of(file, {"consent", server, "roots"});
  out.repositories = paths_of(file, {"consent", server, "repositories"});
  out.spool = paths_of(file, {"consent", server, "spool"});
  out.deny = paths_of(file, {"consent", server, "deny"});
  out.allow = paths_of(file, {"consent", server, "allow"});
  out.unconfined = file.flag({"consent", server, "unconfined"});
  return out;
}

std::string known_names(const auto& map) {
  std::string out;
  for (const auto& [name, value] : map) out += (out.empty() ? "" : ", ") + name;
  return out.empty() ? "none" : out;
}

void check_whole(const Config& file, const ClientConfig& config) {
  if (!is_safe_name(config.host))
    file.refuse({"host"}, quoted(config.host) + " is not a name of letters, digits, '.', '_' and '-'");
  if (config.parallel < 1 || config.parallel > 64) file.refuse({"parallel"}, "must be 1 to 64");
  if (!config.default_server.empty() && !is_safe_name(config.default_server))
    file.refuse({"default_server"}, quoted(config.default_server) + " is not a server's name");
  if (!config.default_server.empty() && !config.servers.contains(config.default_server))
    file.refuse({"default_server"}, fmt::format("no [server.{}] in this file; there are: {}",
                                                config.default_server, known_names(config.servers)));
  for (const auto& [name, consent] : config.consents) {
    if (!config.servers.contains(name))
      file.refuse({"consent", name}, fmt::format("no [server.{}] in this file; there are: {}", name,
                                                 known_names(config.servers)));
  }
}

ClientConfig convert(const Config& file, const std::string& home) {
  ClientConfig out;
  out.home = home;
  out.file = file.file();
  out.host = file.text({"host"});
  out.default_server = file.text({"default_server"});
  out.administrators = file.list({"administrators"});
  out.parallel = file.number({"parallel"});
  out.keep_finished = file.duration({"keep_finished"});
  out.keep_spool = file.duration({"keep_spool"});
  out.push_timeout = file.duration({"push_timeout"});
  for (const std::string& name : file.tables({"server"}))
    out.servers.emplace(name, server_of(file, name, home));
  for (const BuiltIn& built_in : built_in_modules())
    out.modules.emplace(built_in.module, module_of(file, std::string(built_in.module)));
  for (const std::string& name : file.tables({"module"})) {
    ModuleConfig& module = out.modules.insert_or_assign(name, module_of(file, name)).first->second;
    module.configured = true;
  }
  for (const std::string& name : file.tables({"consent"})) out.consents.emplace(name, consent_of(file, name));
  check_whole(file, out);
  if (out.default_server.empty() && out.servers.size() == 1) out.default_server = out.servers.begin()->first;
  return out;
}

}  // namespace

std::span<const ConfigKey> client_schema() { return kSchema; }

std::string ModuleConfig::text(const std::string& key) const {
  const std::vector<std::string>& all = list(key);
  return all.empty() ? "" : all.front();
}

const std::vector<std::string>& ModuleConfig::list(const std::string& key) const {
  static const std::vector<std::string> none;
  const auto at = values.find(key);
  return at == values.end() ? none : at->second;
}

bool ModuleConfig::is_listed_by_cmd() const {
  const BuiltIn* built_in = find_kind(kind);
  return built_in != nullptr && built_in->lists;
}

ClientConfig parse_config(std::string_view text, const std::string& file, const std::string& home) {
  return convert(Config::parse(text, file, kSchema), home);
}

ClientConfig load_config(const std::string& home) {
  return convert(Config::load(join_path(home, "backupconfig.toml"), kSchema), home);
}

const ServerConfig& find_server(const ClientConfig& config, std::string_view word) {
  if (word.empty() && config.default_server.empty())
    throw Error(Kind::Usage, fmt::format("{}: no default_server; name one of: {}", config.file,
                                         known_names(config.servers)));
  const std::string name(word.empty() ? std::string_view(config.default_server) : word);
  if (const auto at = config.servers.find(name); at != config.servers.end()) return at->second;
  for (const auto& [key, server] : config.servers) {
    if (server.url == word) return server;
  }
  throw Error(Kind::Usage, fmt::format("unknown server {}; {} has: {}", quoted(word), config.file,
                                       known_names(config.servers)));
}

const ModuleConfig& find_module(const ClientConfig& config, std::string_view name) {
  const auto at = config.modules.find(std::string(name));
  if (at != config.modules.end()) return at->second;
  throw Error(Kind::Usage,
              fmt::format("unknown module {}; there are: {}", quoted(name), known_names(config.modules)));
}

}  // namespace bk::client
