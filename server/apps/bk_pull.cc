// bk_pull: one pull, in a process of its own; started by do_backup.
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/log/log.h"
#include "common/options/options.h"
#include "common/path/names.h"
#include "common/seccomp/seccomp.h"
#include "common/text/screen.h"
#include "server/access/home.h"
#include "server/backup/not_taken.h"
#include "server/backup/verdict.h"
#include "server/backup/work.h"
#include "server/ingest/endings.h"
#include "server/ingest/ingest.h"
#include "server/ingest/news.h"
#include "server/pull/driver.h"

#include <sys/socket.h>
#include <unistd.h>

#include <iostream>

namespace {

using namespace bk;

void take_requests(const std::string& home, const std::string& client, const Log& log) {
  const SystemClock clock;
  const std::string repository = server::repositories_folder(home) + "/" + client + ".git";
  if (path_exists(repository)) {
    for (const std::string& notice : server::ingest(home, repository, clock).notices) log.notice(notice);
    server::note_looked_after(repository);
  }
  for (const std::string& line : server::answer_set_aside(home, client, clock)) log.notice(line);
  if (server::forget_not_taken(home, client)) log.line(client + ": its requests are taken again");
}

int ingest(const std::string& home, const std::string& client, const Log& log) {
  require_safe_name("client", client);
  try {
    take_requests(home, client, log);
    return kExitDone;
  } catch (const std::exception& error) {  // also what a library throws
    std::cerr << "do_backup: " << server::note_not_taken(home, client, error.what(), SystemClock().now(), log)
              << std::endl;
    return kExitTryLater;
  }
}

server::EndedAs ended_as(const Options& options) {
  if (options.has("turn-over")) return server::EndedAs::TurnOver;
  return options.has("time-up") ? server::EndedAs::TimeUp : server::EndedAs::Failed;
}

int run(const Options& options, const char* argv0) {
  const server::ServerConfig config = server::load_config(find_home(options, argv0));
  const SystemClock clock;
  const Log log(config.home, "do_backup", clock);
  // Once in a do_backup, and after a pull that was killed.
  if (options.has("sweep") || options.has("failed")) pull::clear_pulled(config.home);
  if (options.has("sweep")) return kExitDone;
  // From here on it reads what clients wrote.  Sockets for the line, and to look names up.
  const CallFilter calls({Programs::MayStart, {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK}});
  check_sys(calls.enter(), [] { return "giving up system calls"; });
  if (const auto from = options.get("ingest")) return ingest(config.home, *from, log);
  if (options.words().size() != 2) throw Error(Kind::Usage, "expected CLIENT and REQUEST");
  const std::string& client = options.words()[0];
  require_safe_name("client", client);
  // Signs of life for do_backup; a full pipe has enough of them.
  const auto alive = [] { (void)!::write(STDOUT_FILENO, ".\n", 2); };
  const auto say = [](const std::string& line) {
    std::cerr << line_wiper(STDERR_FILENO) + "do_backup: " + line + "\n" << std::flush;
  };
  const server::Worker worker{config, program_directory(), clock, log, alive, STDOUT_FILENO, say};
  if (const auto why = options.get("failed"))
    return server::give_up(worker, client, options.words()[1], *why, ended_as(options));
  return server::work_off(worker, client, options.words()[1]);
}

}  // namespace

int main(int argc, char** argv) {
  bk::Options options("bk_pull", "work off one claimed request; started by do_backup");
  options.usage("bk_pull [options] CLIENT REQUEST")
      .usage("bk_pull [--home DIR] --ingest CLIENT")
      .usage("bk_pull [--home DIR] --sweep")
      .value("failed", "WHY", "do not pull: count a failed attempt, for this reason")
      .flag("time-up", "with --failed: it is no failed attempt, its time was up")
      .flag("turn-over", "with --failed: it is no failed attempt, others waited for its slot")
      .value("ingest", "CLIENT", "only take new requests out of this client's control repository")
      .flag("sweep", "only remove what programs of killed pulls left");
  bk::add_home(options).positionals(0, 2);
  return bk::run_program(options, argc, argv, [&] { return run(options, argv[0]); });
}
