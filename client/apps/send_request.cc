// send_request [SERVER...]: prepare, push, fetch receipts.
#include "client/apps/queue_status.h"
#include "client/apps/send.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/options/options.h"
#include "common/process/process.h"
#include "common/ssh/host_key_mark.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <deque>
#include <list>

namespace {

using namespace bk;
using namespace bk::client;

using Servers = std::vector<const ServerConfig*>;

constexpr std::size_t kAtOnce = 8;
constexpr std::chrono::milliseconds kGlance{100};

void print(std::FILE* to, const std::string& text) { std::fputs((text + "\n").c_str(), to); }

// Of these servers those that showed another key than the one that is pinned now.
std::vector<ssh::HostKeyMark> changed_keys(const std::string& home, const Servers& servers) {
  std::vector<ssh::HostKeyMark> out = ssh::list_host_key_marks(home);
  std::erase_if(out, [&](const ssh::HostKeyMark& mark) {
    return std::none_of(servers.begin(), servers.end(), [&](const ServerConfig* server) {
      return server->name == mark.peer && server->hostkey == mark.pinned;
    });
  });
  return out;
}

// 65: a queue file is damaged; 77: a host key changed; 0 otherwise, whatever waits.
int show(const std::string& home, const Servers& servers, bool as_json) {
  const SystemClock clock;
  SystemRandom random;
  std::vector<Queue> queues;
  for (const ServerConfig* server : servers)
    queues.emplace_back(home, server->name, server->client, clock, random);
  const std::vector<ssh::HostKeyMark> changed = changed_keys(home, servers);
  std::string out;
  if (as_json) out = status_json(home, queues, changed, clock.now());
  for (const Queue& queue : queues) out += as_json ? "" : status_table(home, queue);
  for (const ssh::HostKeyMark& mark : changed)
    if (!as_json) out += "HOST KEY CHANGED: " + ssh::describe_mark(mark) + "\n";
  std::fputs(out.c_str(), stdout);
  if (!changed.empty()) return kExitRefused;
  const bool damaged =
      std::any_of(queues.begin(), queues.end(), [](const Queue& q) { return !q.list().damaged.empty(); });
  return damaged ? kExitCorrupt : kExitDone;
}

int send_here(const ClientConfig& config, const std::string& home, const ServerConfig& server, bool now) {
  const SystemClock clock;
  SystemRandom random;
  const Log log(home, "send_request", clock);
  const SendContext context{config,
                            clock,
                            random,
                            log,
                            [](const std::string& text) { print(stdout, text); },
                            [](const std::string& text) { print(stderr, "send_request: " + text); }};
  try {
    return send_to(context, server, now);
  } catch (const Error& error) {
    context.complain(server.name + ": " + error.what());
    log.notice(server.name + ": " + error.what());
    return exit_status(error.kind());
  }
}

// Each server in a process of its own, several at a time: one that is slow, dead or hostile, or whose queue
// is damaged, holds up none of the others.
int send_apart(const std::string& home, const Servers& servers, bool now) {
  std::deque<const ServerConfig*> waiting(servers.begin(), servers.end());
  std::list<Child> running;
  int worst = kExitDone;
  while (!waiting.empty() || !running.empty()) {
    while (!waiting.empty() && running.size() < kAtOnce) {
      Command command;
      command.argv = {program_directory() + "/send_request", "--home", home};
      if (now) command.argv.emplace_back("--now");
      command.argv.insert(command.argv.end(), {"--", waiting.front()->name});
      for (char** variable = environ; *variable != nullptr; ++variable)
        command.environment.emplace_back(*variable);
      command.directory = home;
      command.stdout_fd = STDOUT_FILENO;
      command.stderr_fd = STDERR_FILENO;
      // Whoever ends us ends them.
      command.before_exec = [parent = ::getpid()] {
        return ::prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || ::getppid() != parent ? 1 : 0;
      };
      running.push_back(start(command));
      waiting.pop_front();
    }
    for (auto child = running.begin(); child != running.end();) {
      const std::optional<int> status = child->wait_for(kGlance);
      if (status) worst = std::max(worst, *status > 128 ? kExitTryLater : *status);
      child = status ? running.erase(child) : std::next(child);
    }
  }
  return worst;
}

int run(const Options& options, const std::string& home) {
  const ClientConfig config = load_config(home);
  Servers servers;
  for (const std::string& word : options.words()) {
    const ServerConfig* server = &find_server(config, word);
    if (std::find(servers.begin(), servers.end(), server) == servers.end()) servers.push_back(server);
  }
  if (servers.empty()) {
    for (const auto& [name, server] : config.servers) servers.push_back(&server);
  }
  if (options.has("json") && !options.has("status")) throw Error(Kind::Usage, "--json belongs to --status");
  if (options.has("status") && options.has("now"))
    throw Error(Kind::Usage, "--status only looks: it does not go with --now");
  if (options.has("status")) return show(home, servers, options.has("json"));
  if (servers.size() == 1) return send_here(config, home, *servers.front(), options.has("now"));
  return send_apart(home, servers, options.has("now"));
}

}  // namespace

int main(int argc, char** argv) {
  bk::Options options("send_request", "prepare queued backups, send the requests, read the receipts");
  options.usage("send_request [options] [SERVER...]");
  options.flag("status", "only show the queue, and how far pulls are");
  options.flag("json", "with --status: as JSON, with the last success of each source");
  options.flag("now", "do not wait for the time of the next attempt");
  bk::add_home(options).positionals(0, 64);
  return bk::run_program(options, argc, argv, [&] { return run(options, bk::find_home(options, argv[0])); });
}
