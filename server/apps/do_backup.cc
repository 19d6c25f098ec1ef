// do_backup: pull everything that was asked for.
#include "common/error/error.h"
#include "common/log/log.h"
#include "common/options/options.h"
#include "server/backup/status.h"
#include "server/backup/supervisor.h"

#include <cstdio>
#include <iostream>

namespace {

using namespace bk;

int show(const Options& options, const server::ServerConfig& config) {
  const SystemClock clock;
  const server::Catalog catalog(config.home + "/catalog.db");
  server::TodoList todo(config.home + "/TODO");
  std::vector<std::string> problems;
  auto sources = server::collect_status(catalog.list(), todo.pending(problems), clock.now());
  for (server::SourceStatus& source : sources) {
    if (!source.stem.empty())
      source.progress = server::read_progress(server::progress_file(config.home, source.client, source.stem));
  }
  std::cout << (options.has("json") ? server::show_status_json(sources, clock.now())
                                    : server::show_status(sources, clock.now()));
  for (const std::string& problem : problems) std::cerr << "do_backup: " << problem << "\n";
  return problems.empty() ? kExitDone : kExitCorrupt;
}

int pull(const Options& options, const server::ServerConfig& config) {
  server::RunOptions run;
  if (const auto once = options.get("once")) run.selection = server::parse_selection(*once);
  run.watch = options.has("watch");
  run.programs = program_directory();
  run.say = [](const std::string& line) { std::cerr << "do_backup: " << line << std::endl; };
  const SystemClock clock;
  const Log log(config.home, "do_backup", clock);
  const std::optional<FileLock> lock = server::try_run_lock(config.home);
  if (!lock) throw Error(Kind::Transient, "another do_backup is at work here; it takes what is due");
  return server::run_backups(config, run, clock, log);
}

int run(const Options& options, const char* argv0) {
  const server::ServerConfig config = server::load_config(find_home(options, argv0));
  if (options.has("json") && !options.has("status")) throw Error(Kind::Usage, "--json belongs to --status");
  if (options.has("status") && (options.has("watch") || options.has("once")))
    throw Error(Kind::Usage, "--status only looks: it goes with neither --watch nor --once");
  return options.has("status") ? show(options, config) : pull(options, config);
}

}  // namespace

int main(int argc, char** argv) {
  bk::Options options("do_backup", "pull, store and receipt everything that clients asked for");
  options.usage("do_backup [options]")
      .flag("watch", "stay, and react to new requests and due retries")
      .value("once", "CLIENT[:MODULE]", "only this client (and module), at once, whatever its waiting time")
      .flag("status", "show every source: last success, age, queue, last error")
      .flag("json", "with --status: as JSON");
  bk::add_home(options).positionals(0, 0);
  return bk::run_program(options, argc, argv, [&] { return run(options, argv[0]); });
}
