// backup_sqlite [--list | PATH]: the cmd of module sqlite: a consistent copy of a live database.
#include "client/modules/database.h"
#include "client/modules/spool.h"
#include "client/modules/sqlite.h"
#include "common/error/error.h"
#include "common/options/options.h"

#include <cstdio>

namespace {

using namespace bk;
using namespace bk::client;

int list(const ModuleConfig& module) {
  const FoundDatabases found = find_sqlite(module);
  for (const std::string& path : found.paths) std::fputs((path + "\n").c_str(), stdout);
  for (const std::string& text : found.problems) std::fputs((text + "\n").c_str(), stderr);
  if (std::fflush(stdout) != 0) return kExitIo;
  return found.problems.empty() ? kExitDone : found.paths.empty() ? kExitNotFound : kExitPartial;
}

int run(const Options& options) {
  const ClientConfig config = load_config(run_variable("BACKLINE_HOME"));
  const ModuleConfig& module = module_of_run(config, "sqlite");
  if (options.has("list")) return list(module);
  if (options.words().empty()) throw Error(Kind::Usage, "which database? one argument: its path");
  const Run run = current_run();
  const SystemClock clock;
  const Timestamp began = clock.now();
  Spool spool(run);
  dump_sqlite(module, run.name, spool.folder());
  report_ready(run, {"rsync", began, spool.commit()}, {}, clock);
  return kExitDone;
}

}  // namespace

int main(int argc, char** argv) {
  bk::Options options("backup_sqlite", "cmd of module sqlite: copy a live SQLite database");
  options.usage("backup_sqlite PATH").usage("backup_sqlite --list");
  options.flag("list", "print the databases of $BACKLINE_MODULE").positionals(0, 1);
  return bk::run_program(options, argc, argv, [&] { return run(options); });
}
