// backup_mysql [--list | SOURCE]: the cmd of module mysql: MariaDB and MySQL databases.
#include "client/modules/mysql.h"
#include "common/error/error.h"
#include "common/options/options.h"

int main(int argc, char** argv) {
  bk::Options options("backup_mysql", "cmd of module mysql: dump one database of MariaDB or MySQL");
  options.usage("backup_mysql SOURCE").usage("backup_mysql --list");
  options.flag("list", "print the sources of $BACKLINE_MODULE").positionals(0, 1);
  return bk::run_program(options, argc, argv, [&] {
    return bk::client::run_database_cmd(options, "mysql", bk::client::connect_mysql);
  });
}
