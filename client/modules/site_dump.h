// A site made ready in the spool: its database first, then its files.
//
//   site/        the folder as it is; a SQLite database in it is a consistent copy
//   database/    what lies in a server, as SQL (database.sql); SQLite databases from outside of the folder
//   <part>       what belongs to the site and lies elsewhere: images/, wp-content/; above/wp-config.php;
//                linked/PATH is what the symlink site/PATH leads to
//   pages.xml    MediaWiki's own dump of pages and their history, when php is there
//   site.txt     which of these, and where they came from
//
// Files, database, files again, and what the first time had and the second had not stays: a site writes a
// file before the row that names it, and when something is deleted the file may go before the row; so each
// row that was dumped finds its file.  A file without its row is harmless.
#pragma once

#include "client/config/config.h"
#include "client/modules/site.h"
#include "client/modules/spool.h"

#include <string>
#include <vector>

namespace bk::client {

// Dumps into spool.folder() and checks what it dumped.  Returns "<reason> <percent path>" of what is missing.
// Throws when the dump is not whole.
[[nodiscard]] std::vector<std::string> dump_site(const std::string& kind, const Site& site,
                                                 const ModuleConfig& module, const std::string& home,
                                                 Spool& spool);

}  // namespace bk::client
