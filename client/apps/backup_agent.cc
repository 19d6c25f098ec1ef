// backup_agent --server NAME: the forced command of a server's key; serves pulls, inside consent only.
#include "client/agent/serve.h"
#include "client/config/config.h"
#include "common/error/error.h"
#include "common/options/options.h"
#include "common/text/escape.h"

#include <cstdio>
#include <cstdlib>

namespace {

using namespace bk;

int answer(const client::ClientConfig& config, const std::string& server, const Log& log,
           agent::AccessLog& access) {
  const char* original = std::getenv("SSH_ORIGINAL_COMMAND");
  const std::string asked = original != nullptr ? original : "";
  const std::optional<agent::AgentCommand> command = agent::parse_command(asked);
  if (!command)
    throw Error(Kind::Refused, original == nullptr
                                   ? std::string("this key serves pulls only; there is no shell")
                                   : "command " + quoted(asked.substr(0, 200)) + " is not served");
  return agent::serve(agent::read_consent(config, server), *command, log, access);
}

int run(const Options& options, const std::string& home) {
  const std::optional<std::string> server = options.get("server");
  if (options.has("show-log")) {
    agent::show_access_log(home, server.value_or(""));
    return kExitDone;
  }
  if (!server) throw Error(Kind::Usage, "--server NAME is missing; see --help");
  const client::ClientConfig config = client::load_config(home);
  if (!config.servers.contains(*server))
    (void)client::find_server(config, *server);  // throws, with the names
  if (options.has("show-consent") || options.has("dry-run")) {
    std::fputs(agent::describe(agent::read_consent(config, *server)).c_str(), stdout);
    return kExitDone;
  }
  const SystemClock clock;
  const Log log(home, "backup_agent", clock);
  agent::AccessLog access(home, *server, std::getenv("SSH_CONNECTION"), clock);
  try {
    return answer(config, *server, log, access);
  } catch (const Error& error) {
    const char* asked = std::getenv("SSH_ORIGINAL_COMMAND");
    access.refused(asked != nullptr ? asked : "", error.what());
    log.line(*server + ": " + error.what());
    if (error.kind() == Kind::Refused) log.notice(*server + " was refused: " + error.what());
    throw;
  }
}

}  // namespace

int main(int argc, char** argv) {
  bk::Options options("backup_agent", "serve a server's pulls, inside consent only (forced command)");
  options.usage("backup_agent --server NAME [options]");
  options.value("server", "NAME", "the configured server whose key this is");
  options.flag("show-consent", "only print what the server may read now");
  options.flag("dry-run", "the same");
  options.flag("show-log", "only print who read what, and how much; of all servers without --server");
  bk::add_home(options).positionals(0, 0);
  return bk::run_program(options, argc, argv, [&] { return run(options, bk::find_home(options, argv[0])); });
}
