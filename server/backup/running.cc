#include "server/backup/running.h"

#include "common/error/error.h"
#include "common/text/escape.h"
#include "server/backup/verdict.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <utility>

namespace bk::server {
namespace {

using std::chrono::seconds;

constexpr seconds kSettle{20};              // for a worker to note what it has, once asked
constexpr seconds kSettleTurn{120};         // what a turn gained shall not be lost: more than for a stop
constexpr std::size_t kLongestLine = 4096;  // of what a worker says

std::string reason(Asked why) {
  switch (why) {
    case Asked::Pause:
      return "paused by an administrator";
    case Asked::TurnOver:
      return kTurnOver;
    case Asked::TimeUp:
      return "the pull lasted longer than limits.pull_timeout";
    case Asked::Silence:
      return "the pull made no progress for limits.idle_timeout";
    case Asked::No:
      break;
  }
  return {};
}

int signal_for(Asked why) {
  return why == Asked::Pause ? SIGTERM : why == Asked::TurnOver ? SIGUSR2 : SIGUSR1;
}

std::pair<Fd, Fd> signs_pipe() {
  std::array<int, 2> ends{};
  check_sys(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), [] { return "making a pipe"; });
  return {Fd(ends[0]), Fd(ends[1])};
}

}  // namespace

void Running::hear(const std::string& said) {
  half_line += said;
  for (std::size_t end = 0; (end = half_line.find('\n')) != std::string::npos;) {
    if (auto now = parse_progress(std::string_view(half_line).substr(0, end))) progress = std::move(now);
    half_line.erase(0, end + 1);
  }
  if (half_line.size() > kLongestLine) half_line.clear();
}

void Running::ask_to_end(Asked why, Clock::time_point now) {
  asked = why;
  asked_why = reason(why);
  asked_at = now;
  (void)::kill(child.pid(), signal_for(why));
}

bool Running::is_late(Clock::time_point now) const {
  return asked != Asked::No && now - asked_at > (asked == Asked::TurnOver ? kSettleTurn : kSettle);
}

std::string describe(const Running& running) {
  const proto::Request& request = running.item.item.request;
  return running.item.client + " " + request.module + " " + quoted(request.name) + ": " +
         (running.progress ? show_progress(*running.progress) : "begins");
}

Command worker_command(const std::string& programs, const std::string& home,
                       const std::vector<std::string>& words) {
  Command command;
  command.argv = {programs + "/bk_pull", "--home", home};
  command.argv.insert(command.argv.end(), words.begin(), words.end());
  command.environment = base_environment(home);
  command.stderr_fd = STDERR_FILENO;
  // No worker outlives us: the next do_backup would start the same pull beside it.
  command.before_exec = [parent = ::getpid()] {
    return ::prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || ::getppid() != parent ? 1 : 0;
  };
  return command;
}

Running start_pull(const std::string& programs, const std::string& home, const TodoList::Named& item) {
  auto [read_end, write_end] = signs_pipe();
  Command command = worker_command(programs, home, {"--", item.client, item.stem});
  command.stdout_fd = write_end.get();
  const auto now = Running::Clock::now();
  return {item, start(std::move(command)), std::move(read_end), now, now, {}, {}, Asked::No, {}, {}};
}

}  // namespace bk::server
