// The commands of bkdb.  Each gets the words behind its name and returns the exit status; errors that end it
// are thrown.
#pragma once

#include "proto/restore/stream_writer.h"
#include "server/bkdb/session.h"

#include <string>
#include <vector>

namespace bk::bkdb {

using Words = std::vector<std::string>;

int run_ls(Session& session, const Words& words);
int run_files(Session& session, const Words& words);
int run_cat(Session& session, const Words& words);
int run_find(Session& session, const Words& words);
int run_sql(Session& session, const Words& words);
int run_stats(Session& session, const Words& words);
int run_export(Session& session, const Words& words);
int run_verify(Session& session, const Words& words);
int run_heal(Session& session, const Words& words);
int run_rm(Session& session, const Words& words);
int run_keep(Session& session, const Words& words);
int run_hold(Session& session, const Words& words);
int run_release(Session& session, const Words& words);
int run_clean_pretend(Session& session, const Words& words);
int run_clean(Session& session, const Words& words);
int run_import(Session& session, const Words& words);
int run_build(Session& session, const Words& words);
// Makes or names the key of an encrypted store; needs no store.
int run_key(const Words& words);

// What `choice` (data_idx, datetime_range) and --path select, as trees of a restore stream; not its end.
int send_restore_stream(Session& session, const Words& choice, restore::StreamWriter& out);

// What the gate runs for a client's `backline restore`: reads one Ask from standard input and answers it with
// a restore stream on standard output, with the snapshots of --client only.  It writes nothing, so that it
// works under Landlock.
int run_serve(const Options& options, const char* argv0);

// The first word is the command; without one, the help text.  Throws Usage for a command that does not exist.
int run(const Options& options, const char* argv0);

}  // namespace bk::bkdb
