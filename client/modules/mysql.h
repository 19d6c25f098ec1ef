// Module mysql: MariaDB and MySQL by their own client programs (mariadb, mariadb-dump; mysql, mysqldump).
//
// A database becomes a folder (sql_split.h), with 0-database.sql before it: its character set.
// `cat *.sql | mariadb NAME` brings it back under any name.  One transaction, routines, events, triggers.
#pragma once

#include "client/modules/child_output.h"
#include "client/modules/database.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace bk::client {

[[nodiscard]] std::unique_ptr<DatabaseServer> connect_mysql(const ClientConfig& config,
                                                            const ModuleConfig& module);

// How a whole dump's last line begins.
inline constexpr std::string_view kMysqlDumpEnd = "-- Dump completed";

// mariadb-dump (or mysqldump) with all that a dump of ours says to it, ending with "--" and the database.
// `access`: a file of options with the account; "" for the user's own.  `more`: further words.
[[nodiscard]] std::vector<std::string> mysql_dump_words(const std::string& access,
                                                        const std::string& database,
                                                        const std::vector<std::string>& more);

// The client itself, which prints what one statement gives: rows without headings.
[[nodiscard]] std::vector<std::string> mysql_ask_words(const std::string& access, const std::string& sql);
using MysqlAsk = std::function<std::string(const std::string& sql)>;

// The account may do all of `rights` with the database: mariadb-dump leaves out, without a word, what it may
// not see.  `level`: where to grant what is missing ("*.*").  Throws Refused, which says so, NotFound.
void require_mysql_rights(const MysqlAsk& ask, const std::string& database, std::vector<std::string> rights,
                          const std::string& level);
// The statement that gives the chosen database this one's character set.
[[nodiscard]] std::string mysql_character_set(const MysqlAsk& ask, const std::string& database);

// What to do about what such a program complains of; "" when nothing is known.  Pure.
[[nodiscard]] std::string mysql_advice(std::string_view complaint, const std::string& credentials);

}  // namespace bk::client
