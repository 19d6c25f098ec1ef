// backup_dataverse [--rerun] FILE: the cmd of module dataverse.  FILE is our TOML or the old config.ini.
#include "client/modules/dataverse_save.h"
#include "client/modules/ready.h"
#include "common/error/error.h"
#include "common/options/options.h"

#include <fmt/format.h>

#include <cstdio>

namespace {

using namespace bk;
using namespace bk::client;

int save(const std::string& file, bool rerun) {
  const SystemClock clock;
  const client::Run run = current_run();
  const DataverseSource source = load_dataverse_source(file, run.home);
  Mirror mirror(run);
  const DataverseReport report = save_dataverse(source, mirror, clock, rerun);
  report_ready(run, {"rsync", std::nullopt, mirror.commit()}, {"", report.failures}, clock);
  for (const std::string& reason : report.reasons) std::fputs((reason + "\n").c_str(), stderr);
  fmt::print("{}\n", report.text());
  return report.failed == 0 ? kExitDone : kExitPartial;
}

}  // namespace

int main(int argc, char** argv) {
  bk::Options options("backup_dataverse", "cmd of module dataverse: the files of a Dataverse as a tree");
  options.usage("backup_dataverse [--rerun] FILE").positionals(1, 1);
  options.flag("rerun", "also look whether what is OK still lies in the spool, and read it again if not");
  return bk::run_program(options, argc, argv, [&] { return save(options.words()[0], options.has("rerun")); });
}
