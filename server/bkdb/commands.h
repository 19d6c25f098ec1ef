// The commands of bkdb.  Each gets the words behind its name and returns the exit status; errors that end it
// are thrown.
#pragma once

#include "server/bkdb/session.h"

#include <string>
#include <vector>

namespace bk::bkdb {

using Words = std::vector<std::string>;

int run_ls(Session& session, const Words& words);
int run_files(Session& session, const Words& words);
int run_cat(Session& session, const Words& words);
int run_find(Session& session, const Words& words);
int run_stats(Session& session, const Words& words);
int run_export(Session& session, const Words& words);
int run_verify(Session& session, const Words& words);
int run_build(Session& session, const Words& words);

// The first word is the command; without one, the help text.  Throws Usage for a command that does not exist.
int run(const Options& options, const char* argv0);

}  // namespace bk::bkdb
