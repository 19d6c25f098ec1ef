// What the cmds of database servers have in common: names of sources, and the way from a request to a dump.
#pragma once

#include "client/config/config.h"
#include "client/modules/row_changes.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace bk {
class Options;
}

namespace bk::client {

// A source's name is the database's behind a '/'.  Bytes that no path's part may hold, '%' and '@' are %XX.
[[nodiscard]] std::string source_of_database(std::string_view database);
// Throws Usage when it is no such name.
[[nodiscard]] std::string database_of_source(std::string_view source);
// Users, roles and their rights: the server's, not a database's.
inline constexpr std::string_view kAccountsSource = "/@accounts";

// What a server's own client printed: its lines without the empty ones; text that it was asked for as hex.
[[nodiscard]] std::vector<std::string> answer_lines(const std::string& text);
[[nodiscard]] std::string answer_unhex(const std::string& text);  // throws Protocol

class DatabaseServer {
 public:
  virtual ~DatabaseServer() = default;
  // The databases that the configuration means, sorted; those it leaves out are not among them.  Throws.
  [[nodiscard]] virtual std::vector<std::string> databases() = 0;
  // Dumps into the empty folder and checks the dump; "<reason> <percent path>" goes to `skipped`.  Throws.
  virtual void dump(const std::string& database, const std::string& folder,
                    std::vector<std::string>& skipped) = 0;
  // Files of what dump() made, relative, that may be kept as their changes (row_changes.h).
  struct RowFile {
    std::string path;
    RowForm form;
  };
  [[nodiscard]] virtual std::vector<RowFile> row_files(const std::string& folder) = 0;
  virtual void dump_accounts(const std::string& folder) = 0;
};

// One of the module's patterns (`key`) matches.
[[nodiscard]] bool is_excluded(const ModuleConfig& module, const std::string& key, std::string_view text);

// The module that $BACKLINE_MODULE names.  Throws Usage outside of a run; Config when it is not of this kind,
// whose settings it would lack.
[[nodiscard]] const ModuleConfig& module_of_run(const ClientConfig& config, std::string_view kind);

// The whole cmd: "--list" prints the sources of $BACKLINE_MODULE, one a line; else the path's database is
// dumped into the spool and reported ready.  Returns the exit status.
int run_database_cmd(
    const Options& options, std::string_view kind,
    const std::function<std::unique_ptr<DatabaseServer>(const ClientConfig&, const ModuleConfig&)>& connect);

}  // namespace bk::client
