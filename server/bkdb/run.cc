#include "common/error/error.h"
#include "common/text/escape.h"
#include "server/bkdb/command_whole.h"
#include "server/bkdb/commands.h"
#include "server/bkdb/old_folder.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace bk::bkdb {
namespace {

using Command = int (*)(Session&, const Words&);
constexpr std::array<std::pair<const char*, Command>, 17> kCommands = {{
    {"ls", run_ls},
    {"files", run_files},
    {"cat", run_cat},
    {"find", run_find},
    {"sql", run_sql},
    {"stats", run_stats},
    {"export", run_export},
    {"verify", run_verify},
    {"heal", run_heal},
    {"rm", run_rm},
    {"keep", run_keep},
    {"hold", run_hold},
    {"release", run_release},
    {"clean-pretend", run_clean_pretend},
    {"clean", run_clean},
    {"import", run_import},
    {"build", run_build},
}};

// A home's own folders are never one.
std::optional<OldFolder> old_folder_of(const Session& session, const Options& options,
                                       const std::string& command) {
  const bool in_home = (session.folder() + "/").starts_with(session.place().home + "/");
  if (in_home || options.has("home") || command == "import") return std::nullopt;
  try {
    return OldFolder::open(session.folder());
  } catch (const Error& error) {
    if (error.kind() != Kind::Io) throw;
    return std::nullopt;  // a folder that may not be listed
  }
}

// What decides what goes must see everything.
bool shows_only(std::string_view name) {
  constexpr std::array<std::string_view, 8> kShow = {"ls",    "files",  "cat",    "find",
                                                     "stats", "export", "verify", "sql"};
  return std::find(kShow.begin(), kShow.end(), name) != kShow.end();
}

}  // namespace

int run(const Options& options, const char* argv0) {
  if (options.words().empty()) {
    print(options.help_text());
    return kExitDone;
  }
  const std::string& name = options.words().front();
  if (name == "serve") return run_serve(options, argv0);
  if (name == "whole") return run_whole(Words(options.words().begin() + 1, options.words().end()));
  if (name == "key") return run_key(Words(options.words().begin() + 1, options.words().end()));
  for (const auto& [known, command] : kCommands) {
    if (name != known) continue;
    Session session(options, argv0);
    const Words words(options.words().begin() + 1, options.words().end());
    if (const std::optional<OldFolder> old = old_folder_of(session, options, name))
      return run_old(*old, session, name, words);
    if (shows_only(name)) session.leave_out_damaged();
    const int status = command(session, words);
    if (status != kExitDone) return status;
    if (session.damaged_records() > 0) return kExitCorrupt;
    return session.unreadable_records() > 0 ? kExitIo : kExitDone;
  }
  std::string names;
  for (const auto& [known, command] : kCommands) names += (names.empty() ? "" : ", ") + std::string(known);
  throw Error(Kind::Usage,
              "unknown command " + quoted(name) + "; there are " + names + ", key, whole; see --help");
}

}  // namespace bk::bkdb
