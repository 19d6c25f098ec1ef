// commit_backup_request MODULE PATH [SERVER], also as commitBackupRequest: queue one request.
#include "client/apps/ask.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/options/options.h"
#include "common/path/names.h"
#include "common/text/escape.h"

namespace {

using namespace bk;
using namespace bk::client;

int run(const Options& options, const std::string& home) {
  const SystemClock clock;
  SystemRandom random;
  const ClientConfig config = load_config(home);
  const std::vector<std::string>& words = options.words();
  const ModuleConfig& module = find_module(config, words[0]);
  // What a relative path means would depend on where cron or a script happens to stand.
  if (!words[1].starts_with('/')) throw Error(Kind::Usage, quoted(words[1]) + " is not an absolute path");
  const std::string path = clean_absolute(words[1]);
  if (!is_clean_absolute(path)) throw Error(Kind::Usage, quoted(path) + " is longer than a path can be");
  const ServerConfig& server = find_server(config, words.size() > 2 ? words[2] : "");
  if (!module.is_listed_by_cmd() && !path_exists(path))
    throw Error(Kind::NotFound, quoted(path) + " does not exist");
  const Log log(home, "commit_backup_request", clock);
  // Exactly this path, also for git: finding repositories is backup_it's business.
  const Asked asked =
      ask(config, server, {{{module.name, path}}, {}, 0}, clock, random, options.has("dry-run"));
  if (!options.has("wait") || asked.ids.empty()) return asked.status;
  return wait_for(config, server, asked.ids, wait_limit(options.get("wait").value()), clock, random, log);
}

}  // namespace

int main(int argc, char** argv) {
  bk::Options options("commit_backup_request", "queue one backup request");
  options.usage("commit_backup_request [options] MODULE PATH [SERVER]");
  options.optional_value("wait", "SECONDS",
                         "send, and wait for the outcome (--wait=SECONDS: at most so long)");
  options.flag("dry-run", "only say what would be queued");
  bk::add_home(options).positionals(2, 3);
  std::vector<std::string> storage;
  const std::vector<const char*> words = join_wait(argc, argv, storage);
  return bk::run_program(options, static_cast<int>(words.size()), words.data(),
                         [&] { return run(options, bk::find_home(options, argv[0])); });
}
