// <home>/backupconfig.toml of a client, checked and ready to use.  Every key: docs/formats/backupconfig.md.
#pragma once

#include "common/config/config.h"

#include <chrono>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bk::client {

// Where this client may ask for backups.
struct ServerConfig {
  std::string name;
  std::string url;       // ssh://user@host[:port]/<client>.git
  std::string hostkey;   // "<type> <base64>": the only key the server may show
  std::string identity;  // absolute path of the private key
  std::string client;    // what this server calls us: the URL's last component without ".git"
};

// How one path of a module is read, and the commands around its preparation (client/modules/steps.h).
struct PathConfig {
  std::vector<std::string> exclude;             // entries the agent leaves out of trees of this module
  std::vector<std::string> exclude_if_present;  // names that say: leave out what lies beside me
  bool exclude_caches = false;                  // CACHEDIR.TAG says the same
  bool one_fs = false;
  std::uint64_t max_file_bytes = 0;  // longer files are skipped, and said so; 0: no limit
  std::string read_from;             // clean absolute: the tree is read from here; "" from the path itself
  // Program and arguments; empty: none.
  std::vector<std::string> before, after, release;
};

// What backup_it can be asked for.  The options of PathConfig hold for each path that has none of its own.
struct ModuleConfig : PathConfig {
  std::string name;
  std::string kind;                       // the built-in module that this is one of; "" for one's own
  bool configured = false;                // [module.NAME] stands in the file
  std::vector<std::string> cmd;           // program (in scripts/cmds, or absolute) and its fixed arguments
  std::vector<std::string> paths;         // clean absolute; what `backup_it NAME` queues
  std::string method;                     // how the server pulls what the cmd prepares
  std::chrono::seconds time_limit{0};     // for one run of the cmd
  std::chrono::seconds step_limit{0};     // for one run of before, after or release
  std::chrono::seconds release_after{0};  // release runs then, although no outcome came
  std::map<std::string, PathConfig> by_path;  // by clean absolute path

  // What holds for `path`: its own section, or the module.
  [[nodiscard]] const PathConfig& options_of(const std::string& path) const {
    const auto own = by_path.find(path);
    return own == by_path.end() ? *this : own->second;
  }
  // The keys that only modules of this kind have, as text (flags: "true", "false"); defaults are filled in.
  std::map<std::string, std::vector<std::string>> values;

  [[nodiscard]] std::string text(const std::string& key) const;  // "" when this kind has no such key
  [[nodiscard]] const std::vector<std::string>& list(const std::string& key) const;
  [[nodiscard]] bool flag(const std::string& key) const { return text(key) == "true"; }
  // What is saved is found out by asking the cmd ("--list"), not from paths.
  [[nodiscard]] bool is_listed_by_cmd() const;
};

// What one server may read here beyond what is queued to it.
struct ConsentConfig {
  std::vector<std::string> roots, repositories, spool;
  std::vector<std::string> deny;   // never, whatever else says yes
  std::vector<std::string> allow;  // private keys, /proc, /sys: only where this says yes
  bool unconfined = false;         // git and sftp without Landlock, on kernels that have none
};

struct ClientConfig {
  std::string home;
  std::string file;  // for messages
  std::string host;
  std::string default_server;  // "" when there are several and none was chosen
  std::vector<std::string> administrators;
  std::size_t parallel = 0;               // modules prepared at once
  std::chrono::seconds keep_finished{0};  // how long F files stay
  std::chrono::seconds keep_spool{0};     // how long a dump that no request uses stays
  std::chrono::seconds push_timeout{0};   // the control line: no progress for this long ends the round
  std::map<std::string, ServerConfig> servers;
  std::map<std::string, ModuleConfig> modules;  // configured and built-in ones
  std::map<std::string, ConsentConfig> consents;
};

// The rows of docs/formats/backupconfig.md.
[[nodiscard]] std::span<const ConfigKey> client_schema();

// Throws Config: file, line, what is wrong and what would be right.
[[nodiscard]] ClientConfig parse_config(std::string_view text, const std::string& file,
                                        const std::string& home);
[[nodiscard]] ClientConfig load_config(const std::string& home);

// `word` is a configured name, the URL of a configured server, or "" for the default one.
// Throws Usage, naming the servers there are.
[[nodiscard]] const ServerConfig& find_server(const ClientConfig& config, std::string_view word);
// Throws Usage, naming the modules there are.
[[nodiscard]] const ModuleConfig& find_module(const ClientConfig& config, std::string_view name);

}  // namespace bk::client
