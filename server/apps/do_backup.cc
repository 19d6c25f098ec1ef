// do_backup: pull everything that was asked for.
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/log/log.h"
#include "common/options/options.h"
#include "common/path/names.h"
#include "common/text/escape.h"
#include "server/access/client_rules.h"
#include "server/backup/status.h"
#include "server/backup/supervisor.h"
#include "server/store/known_clients.h"
#include "server/store/store.h"
#include "server/todo/pause.h"

#include <algorithm>
#include <cstdio>
#include <iostream>

namespace {

using namespace bk;

// An administrator's word first, then the period of a client that is asked on its behalf.
std::optional<server::Expected> expected(const server::BacklineConf& rules, const std::string& client,
                                         const std::string& module, const std::string& path) {
  if (const auto* rule = server::nearest_rule(rules.expected, client, module, path))
    return server::Expected{rule->every};
  const server::ClientRules* of_client = rules.find(client);
  if (of_client != nullptr && !of_client->agent) return server::Expected{of_client->every};
  return std::nullopt;
}

std::vector<server::SourceStatus> status_of_all(const server::ServerConfig& config, Timestamp now,
                                                std::vector<std::string>& problems) {
  server::TodoList todo(config.home + "/TODO");
  const server::Pauses pauses(config.home + "/TODO");
  const server::BacklineConf rules = server::load_backline_conf(config.home);
  server::StatusFacts facts;
  facts.snapshots = server::Catalog(config.home + "/catalog.db").list();
  facts.pending = todo.pending(problems);
  facts.finished = todo.newest_finished(problems);
  facts.expected = [&](const auto&... source) { return expected(rules, source...); };
  facts.paused = [&](const std::string& client) { return pauses.since(client); };
  facts.quota = [&](const std::string& client) {
    const server::ClientRules* of_client = rules.find(client);
    const bool counted = of_client != nullptr && of_client->quota > 0;
    return std::pair(counted ? of_client->quota : 0,
                     counted ? store::Store::usage(config.store, client) : std::nullopt);
  };
  facts.overdue_after = config.limits.overdue;
  auto sources = server::collect_status(facts, now);
  for (server::SourceStatus& source : sources)
    if (!source.stem.empty())
      source.progress = server::read_progress(server::progress_file(config.home, source.client, source.stem));
  return sources;
}

int show(const Options& options, const server::ServerConfig& config) {
  const Timestamp now = SystemClock().now();
  std::vector<std::string> problems;
  const std::vector<server::SourceStatus> sources = status_of_all(config, now, problems);
  const auto all_paused = server::Pauses(config.home + "/TODO").since();
  const server::ClientStates states{ssh::list_host_key_marks(config.home),
                                    server::list_not_taken(config.home)};
  std::cout << (options.has("json") ? server::show_status_json(sources, all_paused, now, states)
                                    : server::show_status(sources, all_paused, now, states));
  for (const std::string& problem : problems) std::cerr << "do_backup: " << problem << "\n";
  if (!problems.empty()) return kExitCorrupt;
  if (!states.host_keys.empty()) return kExitRefused;
  const bool overdue =
      std::any_of(sources.begin(), sources.end(), [](const auto& source) { return source.overdue; });
  return overdue ? kExitOverdue : states.not_taken.empty() ? kExitDone : kExitTryLater;
}

void require_known(const server::ServerConfig& config, const std::string& client) {
  require_safe_name("client", client);
  if (server::load_backline_conf(config.home).find(client) == nullptr &&
      !is_directory(config.home + "/TODO/" + client))
    throw Error(Kind::NotFound, "there is no client " + quoted(client) + ": backline.conf has no [client " +
                                    client + "], and it never asked");
}

int change_pause(const Options& options, const server::ServerConfig& config) {
  const std::string client = options.words().empty() ? "" : options.words().front();
  if (!client.empty()) require_known(config, client);
  const server::Pauses pauses(config.home + "/TODO");
  const std::string what = client.empty() ? "everything" : client;
  if (options.has("pause")) {
    const bool fresh = pauses.pause(client);
    std::cout << what
              << (fresh ? " is paused" : " was paused already, since " + to_text(*pauses.since(client)))
              << ": no pull begins, running ones note what they have; do_backup --resume"
              << (client.empty() ? "" : " " + client) << " ends it\n";
  } else {
    std::cout << what << (pauses.resume(client) ? " goes on with the next run" : " was not paused") << "\n";
    if (!client.empty() && pauses.since())
      std::cout << "but everything is paused: do_backup --resume, without a name, ends that\n";
  }
  return kExitDone;
}

int pull(const Options& options, const server::ServerConfig& config) {
  server::RunOptions run;
  if (const auto once = options.get("once")) run.selection = server::parse_selection(*once);
  run.watch = options.has("watch");
  run.programs = program_directory();
  run.is_new = [&](const std::string& client) { return !store::has_snapshots(config.store, client); };
  run.say = [](const std::string& line) { std::cerr << "do_backup: " << line << std::endl; };
  const SystemClock clock;
  const Log log(config.home, "do_backup", clock);
  const std::optional<FileLock> lock = server::try_run_lock(config.home);
  if (!lock) throw Error(Kind::Transient, "another do_backup is at work here; it takes what is due");
  return server::run_backups(config, run, clock, log);
}

int run(const Options& options, const char* argv0) {
  const server::ServerConfig config = server::load_config(find_home(options, argv0));
  if (options.has("json") && !options.has("status")) throw Error(Kind::Usage, "--json belongs to --status");
  int modes = 0;
  for (const char* mode : {"status", "pause", "resume"}) modes += options.has(mode) ? 1 : 0;
  if (modes > 1) throw Error(Kind::Usage, "--status, --pause and --resume exclude each other");
  if (modes == 1 && (options.has("watch") || options.has("once")))
    throw Error(Kind::Usage, "--status, --pause and --resume go with neither --watch nor --once");
  if (!options.words().empty() && !options.has("pause") && !options.has("resume"))
    throw Error(Kind::Usage, "unexpected word " + quoted(options.words().front()) +
                                 "; to work for one client only, say --once CLIENT");
  if (options.has("pause") || options.has("resume")) return change_pause(options, config);
  return options.has("status") ? show(options, config) : pull(options, config);
}

}  // namespace

int main(int argc, char** argv) {
  bk::Options options("do_backup", "pull, store and receipt everything that clients asked for");
  options.usage("do_backup [options]")
      .usage("do_backup --pause|--resume [CLIENT]")
      .flag("watch", "stay, and react to new requests and due retries")
      .value("once", "CLIENT[:MODULE]", "only this client (and module), at once, whatever its waiting time")
      .flag("status",
            "show every source: last success, age, next, queue, last error; 4: one is overdue, 75: requests "
            "are not taken")
      .flag("json", "with --status: as JSON")
      .flag("pause", "begin no more pulls, of this client or at all; requests are still taken")
      .flag("resume", "go on");
  bk::add_home(options).positionals(0, 1);
  return bk::run_program(options, argc, argv, [&] { return run(options, argv[0]); });
}
