#include "server/access/serve_restore.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/log/log.h"
#include "common/options/options.h"
#include "common/path/names.h"
#include "common/process/landlock.h"
#include "common/process/process.h"
#include "common/seccomp/seccomp.h"
#include "common/text/escape.h"
#include "server/access/client_rules.h"
#include "server/access/home.h"
#include "server/access/sessions.h"
#include "server/access/update.h"
#include "server/config/config.h"

#include <sys/socket.h>

namespace bk::server {
namespace {

std::string index_of(const std::string& store) {
  return base_name(store) == "store" ? join_path(parent_of(store), "index") : store + ".index";
}

LandlockRules rules_for(const std::string& home, const std::string& client, const std::string& spill) {
  const ServerConfig config = load_config(home);
  const std::string& store = config.store;
  LandlockRules rules = system_rules();
  rules.read.push_back(program_directory());
  rules.read.push_back(home + "/scripts");
  rules.read.push_back(home + "/backupconfig.toml");
  for (const char* part : {"/header", "/packs", "/journal"}) rules.read.push_back(store + part);
  rules.read.push_back(store + "/snapshots/" + client);
  rules.read.push_back(index_of(store));
  if (!config.store_key_file.empty()) rules.read.push_back(config.store_key_file);
  rules.read_write.push_back(spill);
  return rules;
}

}  // namespace

void require_restore_allowed(const std::string& home, const std::string& user) {
  const BacklineConf conf = load_backline_conf(home);
  const ClientRules* rules = conf.find(user);
  if (rules == nullptr)
    throw Error(Kind::Refused,
                "this key is not a client's own: only the key of a client's name fetches its snapshots");
  if (!rules->restore)
    throw Error(Kind::Refused,
                "restoring by the client itself is not allowed here: the administrator says `restore = yes` "
                "in [client " +
                    user + "] of backline.conf, or restores with bkdb");
}

void serve_restore(const ServeRequest& request) {
  if (!is_safe_name(request.user)) throw Error(Kind::Usage, "no client name: " + quoted(request.user));
  const SystemClock clock;
  const Log log(request.home, "bk_access", clock);
  if (const std::string problem = refresh_access(request.home); !problem.empty()) log.notice(problem);
  begin_session(request.home, request.user);
  try {
    require_newer_connection(request.home, request.user);
    require_restore_allowed(request.home, request.user);
  } catch (const Error& error) {
    log.line("user " + request.user + " restore: " + error.what());
    throw;
  }
  log.line("user " + request.user + " restore");
  const std::string spill = request.home + "/tmp";
  ensure_directory(spill);
  Command command;
  command.argv = {
      program_path(request.home, "bkdb"), "--home", request.home, "--client", request.user, "serve"};
  command.environment = base_environment(request.home);
  command.environment.push_back("TMPDIR=" + spill);
  command.directory = request.home;
  if (!Landlock::is_available())
    throw Error(Kind::Refused, "this server's kernel has no Landlock: restore with bkdb there");
  const Landlock confine(rules_for(request.home, request.user, spill));
  check_sys(confine.enforce(), [] { return "confining bkdb"; });
  check_sys(CallFilter({Programs::MayStart, {AF_UNIX}}).enter(), [] { return "giving up system calls"; });
  replace_process(command);
}

}  // namespace bk::server
