// backup_dataverse [--rerun] FILE: the cmd of module dataverse.  FILE is our TOML or the old config.ini.
// backup_dataverse --restore TREE FILE: what it saved, back into the stores that FILE describes.
#include "client/modules/dataverse_restore.h"
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
  report_ready(run, {"rsync", std::nullopt, mirror.commit()}, {"", report.failures, report.failed}, clock);
  for (const std::string& reason : report.reasons) std::fputs((reason + "\n").c_str(), stderr);
  fmt::print("{}\n", report.text());
  return report.failed == 0 ? kExitDone : kExitPartial;
}

int restore(const std::string& tree, const std::string& file, const std::string& home) {
  const SystemClock clock;
  const DataverseRestored done = restore_dataverse(load_dataverse_source(file, home), tree, clock);
  for (const std::string& failure : done.failures) std::fputs((failure + "\n").c_str(), stderr);
  fmt::print("{} files put, {} were there, {} failed\n", done.put, done.there, done.failed);
  return done.failed == 0 ? kExitDone : kExitPartial;
}

}  // namespace

int main(int argc, char** argv) {
  bk::Options options("backup_dataverse", "cmd of module dataverse: the files of a Dataverse as a tree");
  options.usage("backup_dataverse [--rerun] FILE").usage("backup_dataverse --restore TREE FILE");
  options.flag("rerun", "also look whether what is OK still lies in the spool, and read it again if not");
  options.value("restore", "TREE", "give what a restored tree holds back to the stores that FILE describes");
  bk::add_home(options).positionals(1, 1);
  return bk::run_program(options, argc, argv, [&] {
    const std::string& file = options.words()[0];
    if (const auto tree = options.get("restore"))
      return restore(*tree, file, bk::find_home(options, argv[0]));
    return save(file, options.has("rerun"));
  });
}
