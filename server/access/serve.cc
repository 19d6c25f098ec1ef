#include "server/access/serve.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/io/lock.h"
#include "common/log/log.h"
#include "common/options/options.h"
#include "common/path/names.h"
#include "common/process/landlock.h"
#include "common/process/process.h"
#include "common/seccomp/seccomp.h"
#include "common/text/escape.h"
#include "server/access/home.h"
#include "server/access/hooks.h"
#include "server/access/publish.h"
#include "server/access/sessions.h"
#include "server/access/update.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

namespace bk::server {
namespace {

constexpr unsigned kLongestSeconds = 3600;        // a push is at most 16 MiB
constexpr rlim_t kMostMemory = rlim_t{1} << 30U;  // a small pack can inflate without end
constexpr rlim_t kMostCpuSeconds = 600;

struct Place {
  std::string repository;
  std::string kind;    // of hooks: "admin", "client", "none"
  std::string client;  // kind "client"
  std::string branch = kAdminRef;
  bool folder_is_ours = true;
};

Place place_of(const std::string& home, const Granted& granted) {
  const std::string folder =
      clean_absolute(granted.prefix.front() == '/' ? granted.prefix : home + "/" + granted.prefix);
  Place place{folder + "/" + granted.path + ".git", "none", {}, kAdminRef, true};
  place.folder_is_ours = folder == clean_absolute(repositories_folder(home));
  if (!place.folder_is_ours) return place;
  if (granted.path == kAdminName) {
    place.kind = "admin";
  } else if (is_safe_name(granted.path)) {
    place.kind = "client";
    place.client = granted.path;
    place.branch = "refs/heads/requests";
  }
  return place;
}

LandlockRules rules_for(const std::string& home, const Place& place) {
  LandlockRules rules = system_rules();
  rules.read.push_back(program_directory());
  rules.read.push_back(home + "/scripts");
  rules.read.push_back(home + "/backupconfig.toml");
  rules.read.push_back(hooks_folder(home, place.kind));
  rules.read.push_back(admin_repository(home) + "/backline");
  rules.read_write.push_back(place.repository);
  rules.read_write.push_back(home + "/log");
  if (place.kind == "client") rules.read_write.push_back(home + "/TODO/" + place.client);
  if (place.kind == "admin") {
    std::string keys = load_gitosis_conf(home).authorized_keys_path();
    if (keys.front() != '/') keys = home + "/" + keys;
    rules.read_write.push_back(parent_of(keys));
  }
#ifdef BK_CRASH_POINTS
  if (const char* steps = std::getenv("BACKLINE_CRASH_LOG")) rules.read_write.emplace_back(steps);
#endif
  return rules;
}

bool limit(int resource, rlim_t most) {
  const rlimit limits{most, most};
  return ::setrlimit(static_cast<__rlimit_resource>(resource), &limits) == 0;
}

// 0, or -1 with errno.  Async-signal-safe.
int set_limits() {
  (void)::alarm(kLongestSeconds);  // survives exec: a peer that stands still does not keep us for ever
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  if (!limit(RLIMIT_AS, kMostMemory)) return -1;  // sanitizers reserve terabytes of addresses
#endif
  return limit(RLIMIT_CPU, kMostCpuSeconds) ? 0 : -1;
}

// A push that was cut or lost its hook, or a tip that a power cut made unreadable: put right before anybody
// builds on it.
void mend(const std::string& home, const Place& place, const Log& log) {
  // Both locks: ingest and the writer of receipts hold the first one while files of theirs look like
  // leftovers.
  if (const std::optional<FileLock> writing = FileLock::try_exclusive(place.repository + "/backline/lock")) {
    if (const std::optional<FileLock> alone = FileLock::try_exclusive(place.repository + "/backline/in-use"))
      clear_leftovers(place.repository);
  }
  if (place.client.empty()) return;
  const std::optional<std::string> tip = try_read_file(place.repository + "/refs/heads/requests");
  if (tip == try_read_file(place.repository + "/backline/cursor")) return;
  Command command;
  command.argv = {program_path(home, "ingest_requests"), "--home", home, place.repository};
  command.environment = base_environment(home);
  const Captured result = run_captured(command, std::chrono::seconds(60));
  if (result.status != 0)
    log.line(place.repository + ": ingest ended with " + quoted(result.err.substr(0, 300)));
}

// Held by git and its hooks through the inherited descriptor: while anybody reads or writes, ingest does not
// repack.
void hold_in_use(const Place& place) {
  Fd fd = open_file(place.repository + "/backline/in-use", O_RDWR | O_CREAT, 0600);
  check_sys(::flock(fd.get(), LOCK_SH), [] { return "locking the repository"; });
  check_sys(::fcntl(fd.get(), F_SETFD, 0), [] { return "locking the repository"; });
  (void)fd.release();
}

// Who pushes, for hooks and the log of pushes.  A decoded name that could not stand in a key's file name is
// shown encoded: nobody can then be taken for somebody else.
std::string shown_user(const ServeRequest& request, const Passage& passage) {
  return is_user_name(passage.person) ? passage.person : request.user;
}

Command git_command(const ServeRequest& request, const Passage& passage, const Place& place) {
  const std::string user = shown_user(request, passage);
  Command command;
  command.argv = {"git"};
  for (const auto& [key, value] : git_settings(hooks_folder(request.home, place.kind))) {
    command.argv.emplace_back("-c");
    command.argv.push_back(key + "=" + value);
  }
  command.argv.emplace_back(passage.command.write ? "receive-pack" : "upload-pack");
  command.argv.push_back(place.repository);
  command.environment = base_environment(request.home);
  // The parentheses keep git from trimming dots at the end of a name.
  for (const std::string& variable :
       {"BACKLINE_HOME=" + request.home, "BACKLINE_USER=" + user, "GIT_COMMITTER_NAME=key (" + user + ")",
        std::string("GIT_COMMITTER_EMAIL=backline@localhost"), std::string("GIT_CONFIG_NOSYSTEM=1"),
        std::string("GIT_CONFIG_GLOBAL=/dev/null"), std::string("GIT_TERMINAL_PROMPT=0"),
        std::string("GIT_NO_LAZY_FETCH=1")})
    command.environment.push_back(variable);
  if (const char* session = std::getenv("BACKLINE_SESSION"))
    command.environment.push_back(std::string("BACKLINE_SESSION=") + session);
  command.directory = request.home;
  return command;
}

void make_ready(const ServeRequest& request, const Passage& passage, const Place& place, const Log& log) {
  ensure_hooks(request.home);
  const bool is_new = !path_exists(place.repository);
  ensure_repository(place.repository, hooks_folder(request.home, place.kind), place.branch);
  if (is_new && place.folder_is_ours) {
    for (const std::string& problem :
         publish_one(request.home, load_gitosis_conf(request.home), passage.granted.path))
      log.notice("publishing " + problem);
  }
  if (!place.client.empty()) ensure_directory(request.home + "/TODO/" + place.client);
  mend(request.home, place, log);
}

// A push of rules: git and its hooks stay confined to gitosis-admin.git, and what concerns the other
// repositories is done behind them, by us.
int run_then_publish(const ServeRequest& request, Command command, const std::optional<Landlock>& confine,
                     const CallFilter& calls, const Log& log) {
  command.environment.emplace_back("BACKLINE_CONFINED=1");
  command.stdin_fd = STDIN_FILENO;
  command.stdout_fd = STDOUT_FILENO;
  command.stderr_fd = STDERR_FILENO;
  command.before_exec = [&] {
    // It must not outlive the session that holds the lock in our name.
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || set_limits() != 0) return -1;
    if (confine && confine->enforce() != 0) return -1;
    return calls.enter();
  };
  const int status = start(command).wait();
  if (const std::string problem = refresh_access(request.home); !problem.empty()) log.notice(problem);
  return status;
}

}  // namespace

void serve(const ServeRequest& request) {
  if (!is_user_name(request.user))
    throw Error(Kind::Usage, "Username contains not allowed characters: " + quoted(request.user));
  const SystemClock clock;
  const Log log(request.home, "bk_access", clock);
  if (const std::string problem = refresh_access(request.home); !problem.empty()) log.notice(problem);
  begin_session(request.home, request.user);
  Place place;
  Passage passage;
  try {
    require_newer_connection(request.home, request.user);
    passage = pass_gate(load_gitosis_conf(request.home), request.user, request.command);
    place = place_of(request.home, passage.granted);
  } catch (const Error& error) {
    log.line("user " + request.user + " " + quoted(request.command.substr(0, 500)) + ": " + error.what());
    throw;
  }
  log.line("user " + request.user + " " + passage.command.verb + " " + place.repository);
  make_ready(request, passage, place, log);
  hold_in_use(place);
  Command command = git_command(request, passage, place);
  std::optional<Landlock> confine;
  if (Landlock::is_available()) {
    confine.emplace(rules_for(request.home, place));
  } else {
    log.notice("this kernel has no Landlock: git runs unconfined");
  }
  const CallFilter calls({Programs::MayStart, {AF_UNIX}});  // git starts hooks and helpers
  if (place.kind == "admin" && passage.command.write)
    std::exit(run_then_publish(request, std::move(command), confine, calls, log));
  check_sys(set_limits(), [] { return "setting limits"; });
  if (confine) check_sys(confine->enforce(), [] { return "confining git"; });
  check_sys(calls.enter(), [] { return "giving up system calls"; });
  replace_process(command);
}

}  // namespace bk::server
