// bk_access: keys, rules and the gate of the control line.
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/options/options.h"
#include "common/ssh/ssh.h"
#include "common/text/escape.h"
#include "common/time/time.h"
#include "server/access/client_command.h"
#include "server/access/home.h"
#include "server/access/init.h"
#include "server/access/publish.h"
#include "server/access/serve.h"
#include "server/access/serve_restore.h"
#include "server/access/update.h"
#include "server/ingest/endings.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>

namespace {

using namespace bk;
using namespace bk::server;

GitosisConf rules(const Options& options, const std::string& home) {
  const std::optional<std::string> file = options.get("conf");
  if (!file) return load_gitosis_conf(home);
  std::vector<std::string> warnings;
  const GitosisConf conf = GitosisConf::parse(read_file(*file, kMaxConfBytes), warnings);
  warnings.insert(warnings.end(), conf.mistakes().begin(), conf.mistakes().end());
  for (const std::string& warning : warnings)
    std::fputs(fmt::format("bk_access: warning: {}\n", warning).c_str(), stderr);
  return conf;
}

const std::string& word(const Options& options, std::size_t index, const char* usage) {
  if (options.words().size() <= index) throw Error(Kind::Usage, std::string("usage: bk_access ") + usage);
  return options.words()[index];
}

int init(const Options& options, const std::string& home) {
  const std::optional<std::string> file = options.get("key");
  const std::string key = file ? read_file(*file, kMaxKeyFile) : read_rest(STDIN_FILENO, kMaxKeyFile);
  const std::string user = init_access(home, key, options.get("user").value_or(""));
  std::fputs(fmt::format("administrator {}; clone {}\n", user, admin_repository(home)).c_str(), stdout);
  return kExitDone;
}

std::string original_command() {
  const char* command = std::getenv("SSH_ORIGINAL_COMMAND");
  if (command == nullptr) throw Error(Kind::Refused, "Need SSH_ORIGINAL_COMMAND in environment.");
  return command;
}

int serve_user(const Options& options, const std::string& home) {
  const std::string& user = word(options, 1, "serve USER");
  if (!options.has("dry-run")) {
    if (options.has("conf")) throw Error(Kind::Usage, "--conf works with --dry-run only");
    if (original_command() == kRestoreCommand) serve_restore({home, user, original_command()});
    serve({home, user, original_command()});
  }
  try {
    if (original_command() == kRestoreCommand) {
      require_restore_allowed(home, user);
      std::fputs(fmt::format("exec bkdb serve '{}'\n", user).c_str(), stdout);
      return kExitDone;
    }
    const Passage passage = pass_gate(rules(options, home), user, original_command());
    std::fputs(fmt::format("exec {} '{}'\n", passage.command.verb, repository_of(passage.granted)).c_str(),
               stdout);
    return kExitDone;
  } catch (const Error& error) {
    if (error.kind() != Kind::Refused) throw;
    std::fputs(fmt::format("error {}\n", error.what()).c_str(), stdout);
    return kExitRefused;
  }
}

bool is_mode(std::string_view mode) {
  for (const char* known : {"readonly", "writable", "writeable", "R", "RW", "RW+"}) {
    if (mode == known) return true;
  }
  return false;
}

int check(const Options& options, const std::string& home) {
  constexpr const char* kUsage = "check [--conf FILE] USER MODE REPO";
  const std::string& user = word(options, 1, kUsage);
  const std::string& mode = word(options, 2, kUsage);
  const std::string& repository = word(options, 3, kUsage);
  if (!is_mode(mode))
    throw Error(Kind::Usage, quoted(mode) + " is no mode; there are readonly, writable, R, RW and RW+");
  const std::optional<Granted> granted = rules(options, home).find_access(user, mode, repository);
  if (!granted) {
    std::fputs("denied\n", stdout);
    return kExitDenied;
  }
  std::fputs(fmt::format("granted {} {}\n", granted->prefix, granted->path).c_str(), stdout);
  return kExitDone;
}

void show_problems(const std::vector<std::string>& problems) {
  for (const std::string& problem : problems)
    std::fputs(fmt::format("bk_access: warning: publishing: {}\n", problem).c_str(), stderr);
}

int update(const Options& options, const std::string& home) {
  if (options.has("check")) {
    check_admin_push(home, std::cin);
    return kExitDone;
  }
  const UpdateReport report = update_access(home);
  for (const std::string& warning : report.warnings)
    std::fputs(fmt::format("bk_access: warning: {}\n", warning).c_str(), stderr);
  for (const std::string& notice : report.notices)
    std::fputs(fmt::format("bk_access: {}\n", notice).c_str(), stderr);
  show_problems(publish_all(home));
  return kExitDone;
}

// A key as the setup program shows it (TYPE:BASE64), as a .pub file holds it, or the name of such a file.
std::string key_text(const Options& options, const char* option) {
  std::string text = options.get(option).value_or("");
  if (text.empty()) return text;
  if (text.find_first_of(": ") == std::string::npos) text = read_file(text, kMaxKeyFile);
  if (const std::size_t colon = text.find(':'); colon != std::string::npos) text[colon] = ' ';
  while (!text.empty() && text.back() == '\n') text.pop_back();
  const PublicKey key = parse_key_line(text);
  return key.type + " " + key.base64;
}

ClientFacts client_facts(const Options& options) {
  ClientFacts facts{options.get("address").value_or(""), key_text(options, "hostkey"),
                    key_text(options, "key")};
  if (!facts.address.empty()) (void)ssh::parse_address(facts.address);
  const std::optional<std::string> shown = options.get("fingerprint");
  if (shown && (facts.host_key.empty() || fingerprint_of(parse_key_line(facts.host_key)) != *shown))
    throw Error(Kind::Refused, "the fingerprint is not that of --hostkey: the line was damaged or changed");
  return facts;
}

// After the rules are in force: nothing new can come in under this name.
void end_requests(const std::string& home, const std::string& name, const std::string& to) {
  const std::string why = to.empty() ? "client " + name + " was retired"
                                     : "client " + name + " is called " + to + " now: ask again as " + to;
  std::vector<std::string> told;
  if (const std::size_t ended = end_waiting(home, name, why, SystemClock(), told); ended > 0)
    told.push_back(fmt::format("{} waiting requests of {} ended as refused", ended, name));
  for (const std::string& line : told) std::fputs((line + "\n").c_str(), stdout);
}

int client(const Options& options, const std::string& home) {
  constexpr const char* kUsage = "client add|rename|retire|rekey NAME … (see --help)";
  const std::string& what = word(options, 1, kUsage);
  const std::string& name = word(options, 2, kUsage);
  const ClientFacts facts = client_facts(options);
  const bool is_rename = what == "rename";
  const std::string to = is_rename ? word(options, 3, "client rename OLD NEW") : "";
  if (!is_rename && options.words().size() > 3) throw Error(Kind::Usage, "too many words; see --help");
  if (what == "add" && (facts.address.empty() || facts.host_key.empty() || facts.key.empty()))
    throw Error(Kind::Usage, "client add needs --address, --hostkey and --key");
  if (what == "rekey" && facts == ClientFacts{})
    throw Error(Kind::Usage, "client rekey needs --key, --hostkey or --address");
  if ((is_rename || what == "retire") && facts != ClientFacts{})
    throw Error(Kind::Usage, "client " + what + " takes no --address, --hostkey or --key");
  const auto edit = [&](const AdminTree& tree) {
    if (what == "add") return add_client(tree, name, facts);
    if (what == "rekey") return rekey_client(tree, name, facts);
    if (is_rename) return rename_client(tree, name, to);
    if (what == "retire") return retire_client(tree, name);
    throw Error(Kind::Usage, quoted(what) + ": say client add, rename, retire or rekey");
  };
  const std::string message = fmt::format("client {} {}{}", what, name, is_rename ? " " + to : "");
  for (const std::string& line : edit_clients(home, message, edit)) std::fputs((line + "\n").c_str(), stdout);
  if (is_rename || what == "retire") end_requests(home, name, to);
  return kExitDone;
}

// git calls the hooks of gitosis-admin.git by their links; there are no arguments.
int run_hook(const std::string& hook, const std::string& home) {
  if (hook == "pre-receive") {
    check_admin_push(home, std::cin);
    return kExitDone;
  }
  for (const std::string& notice : update_access(home).notices) std::fputs((notice + "\n").c_str(), stderr);
  // A hook that serve() has confined cannot reach the other repositories: serve() publishes behind it.
  if (std::getenv("BACKLINE_CONFINED") == nullptr) show_problems(publish_all(home));
  std::fputs("the pushed rules are in force\n", stderr);
  return kExitDone;
}

}  // namespace

int main(int argc, char** argv) {
  Options options("bk_access", "keys, rules and the gate of the control line");
  options.usage("bk_access init [--user NAME] [--key FILE]")
      .usage("bk_access serve [--dry-run [--conf FILE]] USER")
      .usage("bk_access update [--check]")
      .usage("bk_access check [--conf FILE] USER MODE REPO")
      .usage("bk_access client add NAME --address A --hostkey K --key K [--fingerprint F]")
      .usage("bk_access client rekey NAME [--address A] [--hostkey K] [--key K]")
      .usage("bk_access client rename OLD NEW | retire NAME")
      .value("key", "KEY",
             "init: file of the administrator's public key (default: standard input); client: the key")
      .value("address", "ADDRESS", "client: where the server reaches it, USER@HOST[:PORT]")
      .value("hostkey", "KEY", "client: the host key to pin; a key is TYPE:BASE64 or a file")
      .value("fingerprint", "DIGEST", "client: what the host key's fingerprint must be")
      .value("user", "NAME", "init: the administrator's name (default: the last word of the key)")
      .value("conf", "FILE", "check, serve --dry-run: use this gitosis.conf instead of the one in force")
      .flag("dry-run", "serve: print what would be run for $SSH_ORIGINAL_COMMAND, and run nothing")
      .flag("check", "update: judge the push that a pre-receive hook reads, and change nothing");
  add_home(options);
  options.positionals(0, 4);
  return run_program(options, argc, argv, [&] {
    const std::string called = argv[0] != nullptr ? argv[0] : "";
    if (const std::string home = home_of_hook(called); !home.empty())
      return run_hook(base_name(called), home);
    const std::string home = find_home(options, argv[0]);
    const std::string what = options.words().empty() ? "" : options.words().front();
    const auto only = [&](std::size_t most) {
      if (options.words().size() > most) throw Error(Kind::Usage, "too many words; see --help");
    };
    if (what == "init") return only(1), init(options, home);
    if (what == "serve") return only(2), serve_user(options, home);
    if (what == "update") return only(1), update(options, home);
    if (what == "check") return check(options, home);
    if (what == "client") return client(options, home);
    throw Error(Kind::Usage, "say what to do: init, serve, update, check or client; see --help");
  });
}
