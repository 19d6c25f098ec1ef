// backup_site KIND PATH: the cmd of trac, wiki and wordpress: database and files of a site, consistent
// together, in the spool.
#include "client/modules/ready.h"
#include "client/modules/site_dump.h"
#include "common/error/error.h"
#include "common/options/options.h"
#include "common/text/escape.h"

#include <cstdio>

namespace {

using namespace bk;
using namespace bk::client;

int run(const std::string& kind, const std::string& path) {
  const Run run = current_run();
  const ClientConfig config = load_config(run.home);
  const SystemClock clock;
  const Timestamp began = clock.now();
  const Site site = read_site(kind, path);
  Spool spool(run);
  const std::vector<std::string> skipped =
      dump_site(kind, site, find_module(config, run.module), run.home, spool);
  report_ready(run, {"rsync", began, spool.commit(Spool::Times::Matter)}, {"", skipped}, clock);
  for (const std::string& entry : skipped) std::fputs(("skipped: " + entry + "\n").c_str(), stderr);
  return skipped.empty() ? kExitDone : kExitPartial;
}

}  // namespace

int main(int argc, char** argv) {
  bk::Options options("backup_site", "cmd of trac, wiki, wordpress: database and files of a site");
  options.usage("backup_site KIND PATH").positionals(2, 2);
  return bk::run_program(options, argc, argv, [&] { return run(options.words()[0], options.words()[1]); });
}
