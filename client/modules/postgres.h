// Module postgres: PostgreSQL by its own programs (psql, pg_dump, pg_dumpall, pg_restore).
//
//   format directory   dump/: toc.dat and a file for each table, uncompressed (pg_restore reads the folder)
//   format custom      database.dump (pg_restore reads it), uncompressed
//   format plain       database.sql (psql reads it)
//   the accounts       accounts.sql: roles, their passwords and memberships, tablespaces
#pragma once

#include "client/modules/child_output.h"
#include "client/modules/database.h"

#include <memory>
#include <string>
#include <string_view>

namespace bk::client {

// Throws Config when the module's settings cannot be.
[[nodiscard]] std::unique_ptr<DatabaseServer> connect_postgres(const ClientConfig& config,
                                                               const ModuleConfig& module);

// What to do about what such a program complains of; "" when nothing is known.  Pure.
[[nodiscard]] std::string postgres_advice(std::string_view complaint, const std::string& credentials);

// How the end of a whole dump in plain text begins, and how many lines may follow it: "--", and since the
// releases of August 2025 "\unrestrict".
inline constexpr std::string_view kPostgresDumpEnd = "-- PostgreSQL database dump complete";
inline constexpr int kBehindPostgresDumpEnd = 2;

// What libpq takes as the name of a database and of nothing else.  Pure.
[[nodiscard]] std::string connection_string(std::string_view database);

}  // namespace bk::client
