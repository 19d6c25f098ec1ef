// bk_ssh: the SSH program that stock git calls for do_backup (GIT_SSH).
#include "common/options/options.h"
#include "server/pull/ssh_bridge.h"

int main(int argc, char** argv) {
  bk::Options options("bk_ssh", "carry git's bytes to a client; started by do_backup's git");
  // What git says about host and command counts for nothing: the inherited order does.
  options.usage("bk_ssh HOST COMMAND").positionals(0, 8);
  return bk::run_program(options, argc, argv, [] { return bk::pull::run_bridge(); });
}
