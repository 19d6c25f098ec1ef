// add_queue: how a cmd says that its data is ready.
//
// A cmd, ours or a user's, is started by send_request with these in its environment and ends by add_queue:
//
//   BACKLINE_HOME     the installation's folder
//   BACKLINE_SERVER   the server the request is for
//   BACKLINE_TOKEN    names this run; a run that was given up cannot answer any more
//   BACKLINE_MODULE   the module's name
//   BACKLINE_NAME     base64url of what the user named, as add_queue wants it
//   PATH              begins with the folder of the programs, so that "add_queue" is found
//
// An exit status of 0 or 3 and an add_queue before it: prepared.  Anything else: a failed attempt.
#pragma once

#include "client/config/config.h"
#include "client/request/queued.h"
#include "common/time/time.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bk::client {

struct ReadyText {
  std::string method;
  std::optional<Timestamp> prepared;
  std::string place;  // clean absolute path
};
// "<method> [<timestamp>] <place>".  The place may be a path, "[user@]host:path" or
// "ssh://[user@]host[:port]/path"; a host other than `host` is an error.  The timestamp is
// "YY-MM-DD_hh_mm_ss" (local time) or as in our files.  Pure but for the local time zone.  Throws Usage.
[[nodiscard]] ReadyText parse_ready_text(std::string_view text, std::string_view host);

// The run that this process belongs to, from its environment.  Throws Usage outside of a run.
struct Run {
  std::string home, server, token, module, name;
};
[[nodiscard]] Run current_run();

// One of its variables.  Throws Usage, which names it, when it is not set.
[[nodiscard]] std::string run_variable(const char* name);

struct ReadyOptions {
  std::string sha256;                // of an archive, when the cmd knows it; else the file is read
  std::vector<std::string> skipped;  // "<reason> <percent path>" of what the cmd could not read
  std::uint64_t skipped_count = 0;   // of all, when `skipped` names only some
};
// Checks what the cmd says (the place exists and is what the method needs) and leaves it for send_request,
// durably.  Throws Usage, Io.
void report_ready(const Run& run, const ReadyText& text, const ReadyOptions& options, const Clock& clock);

}  // namespace bk::client
