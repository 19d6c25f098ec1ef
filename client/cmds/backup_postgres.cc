// backup_postgres [--list | SOURCE]: the cmd of module postgres.
#include "client/modules/postgres.h"
#include "common/error/error.h"
#include "common/options/options.h"

int main(int argc, char** argv) {
  bk::Options options("backup_postgres", "cmd of module postgres: dump one database of PostgreSQL");
  options.usage("backup_postgres SOURCE").usage("backup_postgres --list");
  options.flag("list", "print the sources of $BACKLINE_MODULE").positionals(0, 1);
  return bk::run_program(options, argc, argv, [&] {
    return bk::client::run_database_cmd(options, "postgres", bk::client::connect_postgres);
  });
}
