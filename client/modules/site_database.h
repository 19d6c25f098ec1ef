// The database of a site as SQL, by its server's own programs, with the account that the site itself uses.
//
// One transaction, so that all of it is of one moment; routines, triggers and events, too.  User and password
// go to the programs in a file of mode 0600 that is gone when the dump is made.
#pragma once

#include "client/config/config.h"
#include "client/modules/site.h"

#include <string>
#include <string_view>

namespace bk::client {

// Whether the server answers and the account may read all of the database.  `scratch` is a file's name in a
// private folder.  Throws as dump_site_database.
void check_site_database(const Site& site, const ModuleConfig& module, const std::string& home,
                         const std::string& scratch);

// Writes the new file `file`, and beside it for a moment the one with the account.  The engine is not Sqlite.
// Not durable.  Throws Refused (the account may not read all of it), Transient (it waited for a lock for
// longer than lock_wait), Io, Config, NotFound; then `file` is not whole.
void dump_site_database(const Site& site, const ModuleConfig& module, const std::string& home,
                        const std::string& file);

// What to do about what these programs complain of, where `config` is the file that says the site's account;
// "" when nothing is known.  Pure.
[[nodiscard]] std::string site_advice(SiteDatabase::Engine engine, std::string_view complaint,
                                      const std::string& config);

}  // namespace bk::client
