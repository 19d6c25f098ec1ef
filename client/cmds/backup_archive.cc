// backup_archive [KIND] PATH: the cmd of whoever wants one archive of a folder.
#include "client/modules/archive_folder.h"
#include "client/modules/ready.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/options/options.h"
#include "common/text/escape.h"

#include <cstdio>

namespace {

using namespace bk;
using namespace bk::client;

int run(const std::string& path) {
  const Run run = current_run();
  const MadeArchive made = archive_folder(path, join_path(run.home, "tmp"));
  const SystemClock clock;
  report_ready(run, {"sftp", std::nullopt, made.path}, {made.sha256.hex(), made.skipped}, clock);
  for (const std::string& entry : made.skipped) std::fputs(("skipped: " + entry + "\n").c_str(), stderr);
  return made.skipped.empty() ? kExitDone : kExitPartial;
}

}  // namespace

int main(int argc, char** argv) {
  bk::Options options("backup_archive", "cmd for whoever wants one archive of a folder");
  options.usage("backup_archive [KIND] PATH").positionals(1, 2);
  return bk::run_program(options, argc, argv, [&] { return run(options.words().back()); });
}
