// send_request [SERVER...]: prepare, push, fetch receipts.
#include "client/apps/queue_status.h"
#include "client/apps/send.h"
#include "common/error/error.h"
#include "common/options/options.h"
#include "common/ssh/host_key_mark.h"

#include <algorithm>
#include <cstdio>

namespace {

using namespace bk;
using namespace bk::client;

void print(std::FILE* to, const std::string& text) { std::fputs((text + "\n").c_str(), to); }

void show(const std::vector<Queue>& queues, const std::string& home, bool as_json, Timestamp now) {
  std::string out;
  if (as_json) out = status_json(home, queues, now);
  for (const Queue& queue : queues) out += as_json ? "" : status_table(home, queue);
  for (const ssh::HostKeyMark& mark : ssh::list_host_key_marks(home))
    if (!as_json) out += "HOST KEY CHANGED: " + ssh::describe_mark(mark) + "\n";
  std::fputs(out.c_str(), stdout);
}

int run(const Options& options, const std::string& home) {
  const SystemClock clock;
  SystemRandom random;
  const ClientConfig config = load_config(home);
  std::vector<const ServerConfig*> servers;
  for (const std::string& word : options.words()) servers.push_back(&find_server(config, word));
  if (servers.empty()) {
    for (const auto& [name, server] : config.servers) servers.push_back(&server);
  }
  if (options.has("json") && !options.has("status")) throw Error(Kind::Usage, "--json belongs to --status");
  if (options.has("status") && options.has("now"))
    throw Error(Kind::Usage, "--status only looks: it does not go with --now");
  if (options.has("status")) {
    std::vector<Queue> queues;
    for (const ServerConfig* server : servers)
      queues.emplace_back(home, server->name, server->client, clock, random);
    show(queues, home, options.has("json"), clock.now());
    return kExitDone;
  }
  const Log log(home, "send_request", clock);
  const SendContext context{config,
                            clock,
                            random,
                            log,
                            [](const std::string& text) { print(stdout, text); },
                            [](const std::string& text) { print(stderr, "send_request: " + text); }};
  int worst = kExitDone;
  for (const ServerConfig* server : servers) {
    try {
      worst = std::max(worst, send_to(context, *server, options.has("now")));
    } catch (const Error& error) {
      // One server's full or damaged queue does not hold up the others.
      context.complain(server->name + ": " + error.what());
      log.notice(server->name + ": " + error.what());
      worst = std::max(worst, exit_status(error.kind()));
    }
  }
  return worst;
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
