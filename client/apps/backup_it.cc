// backup_it MODULE [SERVER]: queue backup requests for one module.
#include "client/apps/ask.h"
#include "client/apps/queue_status.h"
#include "client/apps/send.h"
#include "common/error/error.h"
#include "common/options/options.h"
#include "common/text/escape.h"

#include <fmt/format.h>

#include <cstdio>

namespace {

using namespace bk;
using namespace bk::client;

struct Words {
  std::string module, server;
};

int list(const ClientConfig& config, const Clock& clock, Random& random) {
  for (const auto& [name, server] : config.servers)
    std::fputs(status_table(config.home, Queue(config.home, name, server.client, clock, random)).c_str(),
               stdout);
  return kExitDone;
}

int cancel(const ClientConfig& config, const Words& words, const Clock& clock, Random& random) {
  const ServerConfig& server = find_server(config, words.server);
  Queue queue(config.home, server.name, server.client, clock, random);
  std::size_t ended = 0;
  for (const Queue::Entry& entry : queue.list("CP").entries) {
    if (entry.item.request.module != words.module) continue;
    const std::string name = words.module + " " + quoted(entry.item.request.name);
    if (queue.cancel(words.module, entry.item.request.name) == Queue::Cancelled::Done) {
      std::fputs(fmt::format("cancelled {}\n", name).c_str(), stdout);
      ++ended;
    } else {
      std::fputs(fmt::format("{} is in progress and goes on\n", name).c_str(), stderr);
    }
  }
  if (ended == 0) throw Error(Kind::NotFound, "no request of module " + quoted(words.module) + " is waiting");
  return kExitDone;
}

int run(const Options& options, const std::string& home) {
  const SystemClock clock;
  SystemRandom random;
  const ClientConfig config = load_config(home);
  if (options.has("list")) return list(config, clock, random);
  if (options.words().empty())
    throw Error(Kind::Usage, "which module? usage: backup_it [options] MODULE [SERVER]");
  const Words words{options.words()[0], options.words().size() > 1 ? options.words()[1] : ""};
  const ModuleConfig& module = find_module(config, words.module);
  if (options.has("cancel")) return cancel(config, words, clock, random);
  const ServerConfig& server = find_server(config, words.server);
  if (module.is_listed_by_cmd() && !module.configured)
    throw Error(Kind::Config,
                fmt::format("{}: no [module.{}]; nothing to ask for", config.file, module.name));
  if (module.paths.empty() && !module.is_listed_by_cmd())
    throw Error(Kind::Config,
                fmt::format("{}: [module.{}] has no paths; nothing to ask for", config.file, module.name));
  const Log log(home, "backup_it", clock);
  const Asked asked = ask(config, server, expand(config, module), clock, random, options.has("dry-run"));
  if (!options.has("wait") || asked.ids.empty()) return asked.status;
  const int outcome =
      wait_for(config, server, asked.ids, wait_limit(options.get("wait").value()), clock, random, log);
  return std::max(asked.status, outcome);
}

}  // namespace

int main(int argc, char** argv) {
  bk::Options options("backup_it", "queue backup requests for one module");
  options.usage("backup_it [options] MODULE [SERVER]").usage("backup_it --list");
  options.optional_value("wait", "SECONDS",
                         "send, and wait for the outcome (--wait=SECONDS: at most so long)");
  options.flag("list", "show what is queued, in progress and finished");
  options.flag("cancel", "end what is waiting of this module");
  options.flag("dry-run", "only say what would be queued");
  bk::add_home(options).positionals(0, 2);
  std::vector<std::string> storage;
  const std::vector<const char*> words = join_wait(argc, argv, storage);
  return bk::run_program(options, static_cast<int>(words.size()), words.data(),
                         [&] { return run(options, bk::find_home(options, argv[0])); });
}
