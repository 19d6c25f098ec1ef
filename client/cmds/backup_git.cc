// backup_git PATH: the cmd of module git.  A repository needs no preparation: git's own protocol gives the
// server one consistent state.
#include "client/modules/ready.h"
#include "client/modules/repositories.h"
#include "common/error/error.h"
#include "common/options/options.h"
#include "common/text/escape.h"

int main(int argc, char** argv) {
  bk::Options options("backup_git", "cmd of module git: make a repository ready to be pulled");
  options.usage("backup_git PATH").positionals(1, 1);
  return bk::run_program(options, argc, argv, [&] {
    const bk::client::Run run = bk::client::current_run();
    const std::string directory = bk::client::git_directory(options.words()[0]);
    if (directory.empty())
      throw bk::Error(bk::Kind::NotFound, bk::quoted(options.words()[0]) + " is not a git repository");
    const bk::SystemClock clock;
    bk::client::report_ready(run, {"git", std::nullopt, directory}, {}, clock);
    return bk::kExitDone;
  });
}
