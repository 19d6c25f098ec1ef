// ingest_requests: from the clients' control repositories to the work list.
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/log/log.h"
#include "common/options/options.h"
#include "server/access/home.h"
#include "server/ingest/check.h"
#include "server/ingest/ingest.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>

namespace {

using namespace bk;
using namespace bk::server;

std::string pushing_user() {
  const char* user = std::getenv("BACKLINE_USER");
  return user != nullptr ? user : "";
}

void log_report(const std::string& home, const IngestReport& report,
                const std::vector<std::string>& problems) {
  const SystemClock clock;
  const Log log(home, "ingest_requests", clock);
  for (const std::string& line : report.notices) log.notice(line);
  for (const std::string& line : problems) log.notice(line);
  if (report.commits > 0)
    log.line(fmt::format("{} commits: {} added, {} known, {} refused", report.commits, report.added,
                         report.repeated, report.refused));
}

int ingest_one(const std::string& home, const std::string& repository) {
  const SystemClock clock;
  log_report(home, ingest(home, repository, clock), {});
  return kExitDone;
}

int ingest_every(const std::string& home) {
  const SystemClock clock;
  std::vector<std::string> problems;
  log_report(home, ingest_all(home, clock, problems), problems);
  for (const std::string& problem : problems)
    std::fputs(fmt::format("ingest_requests: {}\n", problem).c_str(), stderr);
  return problems.empty() ? kExitDone : kExitIo;
}

// git calls the hooks of a control repository by their links, inside the repository, without arguments.
int run_hook(const std::string& hook, const std::string& home) {
  const std::string repository = clean_absolute("");
  if (hook == "pre-receive") {
    check_client_push(home, repository, pushing_user(), std::cin);
    return kExitDone;
  }
  return ingest_one(home, repository);
}

}  // namespace

int main(int argc, char** argv) {
  Options options("ingest_requests", "take the requests that clients have pushed into TODO");
  options.usage("ingest_requests [REPOSITORY]")
      .usage("ingest_requests --check REPOSITORY")
      .flag("check", "judge the push that a pre-receive hook reads on standard input, and change nothing")
      .footer("Without REPOSITORY (<home>/repositories/<client>.git): every control repository.");
  add_home(options);
  options.positionals(0, 1);
  return run_program(options, argc, argv, [&] {
    const std::string called = argv[0] != nullptr ? argv[0] : "";
    if (const std::string home = home_of_hook(called); !home.empty())
      return run_hook(base_name(called), home);
    const std::string home = find_home(options, argv[0]);
    if (options.words().empty()) {
      if (options.has("check")) throw Error(Kind::Usage, "--check needs a REPOSITORY; see --help");
      return ingest_every(home);
    }
    const std::string repository = clean_absolute(options.words().front());
    if (!options.has("check")) return ingest_one(home, repository);
    check_client_push(home, repository, pushing_user(), std::cin);
    return kExitDone;
  });
}
