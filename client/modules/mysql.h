// Module mysql: MariaDB and MySQL by their own client programs (mariadb, mariadb-dump; mysql, mysqldump).
//
// A database becomes a folder (sql_split.h), with 0-database.sql before it: its character set.
// `cat *.sql | mariadb NAME` brings it back under any name.  One transaction, routines, events, triggers.
#pragma once

#include "client/modules/child_output.h"
#include "client/modules/database.h"

#include <memory>

namespace bk::client {

[[nodiscard]] std::unique_ptr<DatabaseServer> connect_mysql(const ClientConfig& config,
                                                            const ModuleConfig& module);

// What to do about what such a program complains of; "" when nothing is known.  Pure.
[[nodiscard]] std::string mysql_advice(std::string_view complaint, const std::string& credentials);

}  // namespace bk::client
