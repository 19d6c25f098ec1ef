// bkdb: browse, export, verify and rebuild what the server has stored.
#include "common/options/options.h"
#include "server/bkdb/commands.h"

int main(int argc, char** argv) {
  bk::Options options("bkdb", "browse, export, verify and rebuild backups");
  bk::bkdb::declare_options(options);
  return bk::run_program(options, argc, argv, [&] { return bk::bkdb::run(options, argv[0]); });
}
