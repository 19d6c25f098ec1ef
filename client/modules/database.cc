#include "client/modules/database.h"

#include "client/modules/ready.h"
#include "client/modules/spool.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/options/options.h"
#include "common/path/names.h"
#include "common/path/pattern.h"
#include "common/restore/whole_rows.h"
#include "common/text/ascii.h"
#include "common/text/escape.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

namespace bk::client {
namespace {

int list(const ModuleConfig& module, DatabaseServer& server) {
  std::string text;
  for (const std::string& database : server.databases()) text += source_of_database(database) + "\n";
  if (module.flag("accounts")) text += std::string(kAccountsSource) + "\n";
  std::fputs(text.c_str(), stdout);
  return std::fflush(stdout) == 0 ? kExitDone : kExitIo;
}

// What a restore must not load as it is says so by itself.
void keep_changes_of(DatabaseServer& server, Spool& spool) {
  bool any = false;
  for (const DatabaseServer::RowFile& file : server.row_files(spool.folder()))
    any = keep_changes(spool, file.path, file.form) || any;
  if (any)
    replace_durably(
        join_path(spool.folder(), kNotWhole),
        "this dump is not whole: run \"bkdb whole FOLDER\" or \"restore_it whole FOLDER\" first;\n");
}

}  // namespace

std::string source_of_database(std::string_view database) {
  std::string out = "/";
  for (const char c : database) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = byte > 0x20 && byte != 0x7f && c != '/' && c != '%' && c != '@';
    out += plain ? std::string(1, c) : "%" + hex_encode(std::string_view(&c, 1));
  }
  // "." and ".." are no names in a path.
  if (out == "/.") return "/%2e";
  return out == "/.." ? "/%2e." : out;
}

std::string database_of_source(std::string_view source) {
  std::string out;
  for (std::size_t i = 1; i < source.size(); ++i) {
    if (source[i] != '%') {
      out += source[i];
      continue;
    }
    const std::optional<std::string> byte = hex_decode(source.substr(i + 1, 2));
    if (byte) out += *byte;
    i += 2;
  }
  if (out.empty() || source_of_database(out) != source)
    throw Error(
        Kind::Usage,
        quoted(source) + " is not the name of a database: \"/\" and the name, other than letters as %xx");
  return out;
}

std::vector<std::string> answer_lines(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    if (end > begin) out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

std::string answer_unhex(const std::string& text) {
  const std::optional<std::string> out = hex_decode(lower_ascii(text));
  if (!out) throw Error(Kind::Protocol, "the server's answer is not what was asked for: " + quoted(text));
  return *out;
}

const ModuleConfig& module_of_run(const ClientConfig& config, std::string_view kind) {
  const ModuleConfig& module = find_module(config, run_variable("BACKLINE_MODULE"));
  if (module.kind != kind)
    throw Error(Kind::Config, fmt::format("{}: [module.{}] is not of this kind; add kind = \"{}\"",
                                          config.file, module.name, kind));
  return module;
}

bool is_excluded(const ModuleConfig& module, const std::string& key, std::string_view text) {
  const std::vector<std::string>& patterns = module.list(key);
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return Glob(pattern).matches(text); });
}

int run_database_cmd(
    const Options& options, std::string_view kind,
    const std::function<std::unique_ptr<DatabaseServer>(const ClientConfig&, const ModuleConfig&)>& connect) {
  const ClientConfig config = load_config(run_variable("BACKLINE_HOME"));
  const ModuleConfig& module = module_of_run(config, kind);
  const std::unique_ptr<DatabaseServer> server = connect(config, module);
  if (options.has("list")) return list(module, *server);
  if (options.words().empty()) throw Error(Kind::Usage, "which database? one argument: the source's name");
  const Run run = current_run();
  const SystemClock clock;
  const Timestamp began = clock.now();
  Spool spool(run);
  std::vector<std::string> skipped;
  if (run.name == kAccountsSource) {
    server->dump_accounts(spool.folder());
  } else {
    server->dump(database_of_source(run.name), spool.folder(), skipped);
    if (module.flag("changes")) keep_changes_of(*server, spool);
  }
  report_ready(run, {"rsync", began, spool.commit()}, {"", skipped}, clock);
  for (const std::string& entry : skipped) std::fputs(("skipped: " + entry + "\n").c_str(), stderr);
  return skipped.empty() ? kExitDone : kExitPartial;
}

}  // namespace bk::client
