// backup_git PATH: the cmd of module git.  A repository needs no preparation: git's own protocol gives the
// server one consistent state.
#include "client/modules/ready.h"
#include "client/modules/repositories.h"
#include "common/error/error.h"
#include "common/options/options.h"
#include "common/text/escape.h"

namespace {

using namespace bk;
using namespace bk::client;

// How the server gets it, and from where.
ReadyText ready_text(const std::string& path) {
  const std::string directory = git_directory(path);
  if (!directory.empty()) return {"git", std::nullopt, directory};
  if (is_linked_work_tree(path)) return {"git", std::nullopt, path};
  if (is_lfs_folder(path)) return {"rsync", std::nullopt, path};
  throw Error(Kind::NotFound, quoted(path) + " is not a git repository");
}

}  // namespace

int main(int argc, char** argv) {
  Options options("backup_git", "cmd of module git: make a repository ready to be pulled");
  options.usage("backup_git PATH").positionals(1, 1);
  return run_program(options, argc, argv, [&] {
    const SystemClock clock;
    report_ready(current_run(), ready_text(options.words()[0]), {}, clock);
    return kExitDone;
  });
}
