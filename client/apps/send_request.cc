// send_request [SERVER...]: prepare, push, fetch receipts.
#include "client/apps/send.h"
#include "common/error/error.h"
#include "common/options/options.h"

#include <algorithm>
#include <cstdio>

namespace {

using namespace bk;
using namespace bk::client;

void print(std::FILE* to, const std::string& text) { std::fputs((text + "\n").c_str(), to); }

int run(const Options& options, const std::string& home) {
  const SystemClock clock;
  SystemRandom random;
  const ClientConfig config = load_config(home);
  std::vector<const ServerConfig*> servers;
  for (const std::string& word : options.words()) servers.push_back(&find_server(config, word));
  if (servers.empty()) {
    for (const auto& [name, server] : config.servers) servers.push_back(&server);
  }
  if (options.has("status")) {
    for (const ServerConfig* server : servers)
      std::fputs(status_table(home, Queue(home, server->name, server->client, clock, random)).c_str(),
                 stdout);
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
  options.flag("status", "only show the queue");
  options.flag("now", "do not wait for the time of the next attempt");
  bk::add_home(options).positionals(0, 64);
  return bk::run_program(options, argc, argv, [&] { return run(options, bk::find_home(options, argv[0])); });
}
