// backup_all [SERVER]: queue backup requests for every configured module.
#include "client/apps/ask.h"
#include "common/error/error.h"
#include "common/options/options.h"
#include "common/text/escape.h"

namespace {

using namespace bk;
using namespace bk::client;

int run(const Options& options, const std::string& home) {
  const SystemClock clock;
  SystemRandom random;
  const ClientConfig config = load_config(home);
  const ServerConfig& server = find_server(config, options.words().empty() ? "" : options.words()[0]);
  const Log log(home, "backup_all", clock);
  Expanded all;
  for (const auto& [name, module] : config.modules) {
    Expanded one = expand(config, module);
    all.wanted.insert(all.wanted.end(), one.wanted.begin(), one.wanted.end());
    for (const std::string& text : one.problems) all.problems.push_back(name + ": " + text);
    all.status = std::max(all.status, one.status);
  }
  if (all.wanted.empty() && all.problems.empty())
    throw Error(Kind::Config, config.file + ": no module has paths; nothing to ask for");
  const Asked asked = ask(config, server, all, clock, random, options.has("dry-run"));
  if (!options.has("wait") || asked.ids.empty()) return asked.status;
  return std::max(asked.status, wait_for(config, server, asked.ids, wait_limit(options.get("wait").value()),
                                         clock, random, log));
}

}  // namespace

int main(int argc, char** argv) {
  bk::Options options("backup_all", "queue backup requests for every configured module");
  options.usage("backup_all [options] [SERVER]");
  options.optional_value("wait", "SECONDS",
                         "send, and wait for the outcomes (--wait=SECONDS: at most so long)");
  options.flag("dry-run", "only say what would be queued");
  bk::add_home(options).positionals(0, 1);
  std::vector<std::string> storage;
  const std::vector<const char*> words = join_wait(argc, argv, storage);
  return bk::run_program(options, static_cast<int>(words.size()), words.data(),
                         [&] { return run(options, bk::find_home(options, argv[0])); });
}
