#include "client/agent/serve.h"

#include "client/agent/confine.h"
#include "client/agent/idle_child.h"
#include "client/agent/pull_status.h"
#include "client/agent/stripe_door.h"
#include "client/agent/tree_confine.h"
#include "client/agent/tree_server.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/process/process.h"
#include "common/seccomp/seccomp.h"
#include "common/text/escape.h"
#include "common/text/number.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

namespace bk::agent {
namespace {

constexpr int kMostAlternates = 16;
constexpr std::size_t kLongestLine = 64U << 10U;  // of what sftp-server says

// Test builds do not wait for minutes.
std::chrono::milliseconds longest_idle() {
#ifdef BK_CRASH_POINTS
  if (const char* text = std::getenv("BACKLINE_AGENT_IDLE_MS"))
    return std::chrono::milliseconds(parse_int<int>(text).value_or(0));
#endif
  return kLongestIdle;
}

// Starts a program on our own descriptors (its standard error may be another one), confined.
Child start_confined(Command command, const std::optional<Confinement>& confinement, int error_fd) {
  command.stdin_fd = STDIN_FILENO;
  command.stdout_fd = STDOUT_FILENO;
  command.stderr_fd = error_fd;
  const CallFilter calls({Programs::MayStart, {AF_UNIX}});  // upload-pack starts pack-objects
  command.before_exec = [&confinement, &calls] {
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) return -1;
    if (confinement && confinement->enter() != 0) return -1;
    return calls.enter();
  };
  return start(command);
}

std::string ended_with(int status) {
  return status == 0 ? "served" : fmt::format("\"ended with status {}\"", status);
}

std::string find_program(std::initializer_list<const char*> candidates, const std::string& what) {
  for (const char* candidate : candidates) {
    if (::access(candidate, X_OK) == 0) return candidate;
  }
  throw Error(Kind::Refused, what + " is not installed on this client");
}

std::pair<Fd, Fd> make_pipe() {
  std::array<int, 2> ends{};
  check_sys(::pipe2(ends.data(), O_CLOEXEC), [] { return "making a pipe"; });
  return {Fd(ends[0]), Fd(ends[1])};
}

// -- git

// What a repository borrows objects from.  A path outside consent is refused rather than served as a hole.
void allow_alternates(const Consent& consent, const std::string& objects, Confinement* confinement,
                      int& left) {
  const std::optional<std::string> text = try_read_file(join_path(objects, "info/alternates"), 1U << 20U);
  if (!text) return;
  for (std::size_t begin = 0; begin < text->size();) {
    const std::size_t end = std::min(text->find('\n', begin), text->size());
    std::string line = text->substr(begin, end - begin);
    begin = end + 1;
    if (line.empty() || line.front() == '#') continue;
    if (--left < 0) throw Error(Kind::Refused, "repository borrows from too many others");
    if (!line.starts_with('/')) line = join_path(objects, line);
    const std::unique_ptr<char, void (*)(void*)> real(::realpath(line.c_str(), nullptr), &::free);
    const std::string borrowed = real ? real.get() : line;
    if (!real || !may_read_repository(consent, parent_of(borrowed)))
      throw Error(Kind::Refused, "the repository borrows objects from " + quoted(line) +
                                     ", which this client does not consent to; add it to [consent." +
                                     consent.server + "] repositories");
    if (confinement != nullptr) confinement->allow_reading(borrowed);
    allow_alternates(consent, borrowed, confinement, left);
  }
}

std::vector<std::string> git_environment() {
  std::vector<std::string> out = base_environment("/nonexistent");
  for (const char* variable :
       {"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_ATTR_NOSYSTEM=1", "GIT_NO_LAZY_FETCH=1",
        "GIT_NO_REPLACE_OBJECTS=1", "GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0"})
    out.emplace_back(variable);
  // sshd passes it on when it was told to; git's protocol works without.
  const char* protocol = std::getenv("GIT_PROTOCOL");
  const std::string_view wanted = protocol != nullptr ? protocol : "";
  if (wanted == "version=1" || wanted == "version=2") out.push_back("GIT_PROTOCOL=" + std::string(wanted));
  return out;
}

// A linked work tree has only its own HEAD; the rest is the repository's, and "../.." from there.
std::string common_folder(const Consent& consent, const std::string& path) {
  const std::string all = parent_of(path);
  if (!path_exists(join_path(path, "commondir"))) return path;
  const std::string common = parent_of(all);
  const bool hidden = is_denied(consent, common) ||
                      std::any_of(consent.deny.begin(), consent.deny.end(),
                                  [&](const std::string& denied) { return lies_in(denied, common); });
  if (hidden || base_name(all) != "worktrees" ||
      try_read_file(join_path(path, "commondir"), 4096) != "../..\n")
    throw Error(Kind::Refused, "no consent to read the repository that " + quoted(path) + " belongs to");
  return common;
}

int serve_git(const Consent& consent, const std::string& path, AccessLog& access) {
  if (!may_read_repository(consent, path))
    throw Error(Kind::Refused, "no consent to read repository " + quoted(path));
  const std::string common = common_folder(consent, path);
  const std::string git = find_program({"/usr/bin/git", "/usr/local/bin/git", "/bin/git"}, "git");
  std::optional<Confinement> confinement;
  if (!consent.unconfined || landlock_version() != 0) {
    confinement.emplace();
    confinement->allow_libraries();
    confinement->allow_system(git);
    confinement->allow_reading(common);
  }
  int left = kMostAlternates;
  allow_alternates(consent, join_path(common, "objects"), confinement ? &*confinement : nullptr, left);
  const PullStatusWriter status(pull_status_file(consent.home, consent.server, path));
  Command command;
  // hideRefs: a branch that the repository hides from clones is to be backed up all the same.
  command.argv = {git,
                  "-c",
                  "safe.directory=" + path,
                  "-c",
                  "safe.directory=" + common,
                  "-c",
                  "transfer.hideRefs=!refs",
                  "-c",
                  "core.hooksPath=/dev/null",
                  "-c",
                  "gc.auto=0",
                  "upload-pack",
                  "--strict",
                  "--timeout=3600",
                  path};
  command.environment = git_environment();
  access.begins("git", path);
  Child child = start_confined(std::move(command), confinement, STDERR_FILENO);
  const Ended ended = wait_while_busy(child, longest_idle());
  access.amount(std::nullopt, ended.written);
  access.ends(ended_with(ended.status));
  return ended.status;
}

// -- sftp

// Reads what sftp-server says of the files that it opens and closes, until it ends.
void note_files(int fd, AccessLog& access) {
  std::string text;
  std::array<char, 4096> buffer{};
  for (std::size_t n = 0; (n = read_up_to(fd, buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), n);
    for (std::size_t end = 0; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1)) {
      const std::string_view line =
          std::string_view(text).substr(0, end - (end > 0 && text[end - 1] == '\r'));
      const std::optional<SftpEvent> event = parse_sftp_event(line);
      if (!event) {
        if (!is_sftp_log(line)) (void)!::write(STDERR_FILENO, text.data(), end + 1);
      } else if (event->what == SftpEvent::What::Open) {
        access.begins("sftp", event->place);
      } else if (event->what == SftpEvent::What::Refusal) {
        access.ends(quoted(event->place));
      } else {
        access.amount(1, event->bytes);
        access.ends("served");
      }
    }
    if (text.size() > kLongestLine) text.clear();
  }
}

int serve_sftp(const Consent& consent, AccessLog& access) {
  if (consent.archives.empty()) throw Error(Kind::Refused, "no consent to read any archive");
  const std::string server = find_program({"/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server",
                                           "/usr/lib/ssh/sftp-server", "/usr/libexec/sftp-server"},
                                          "sftp-server");
  std::optional<Confinement> confinement;
  if (!consent.unconfined || landlock_version() != 0) {
    confinement.emplace();
    confinement->allow_libraries();
    confinement->allow_system(server);
    // sftp-server ends at once when it cannot look its own user up.
    for (const char* path : {"/etc/passwd", "/etc/nsswitch.conf"}) confinement->allow_system(path);
    for (const std::string& path : consent.archives) {
      if (path_exists(path)) confinement->allow_reading(path);
    }
  }
  Command command;
  // Read-only, and only what reading a file needs: looking at paths (stat, realpath) would tell what else is
  // there, and Landlock does not govern it.
  command.argv = {server, "-R", "-e", "-l", "INFO", "-p", "open,close,read,fstat,limits"};
  command.environment = base_environment("/nonexistent");
  auto [said, saying] = make_pipe();
  Child child = start_confined(std::move(command), confinement, saying.get());
  saying.reset();
  std::thread noting([fd = said.get(), &access] { note_files(fd, access); });
  const auto join = [&] {
    noting.join();
    access.ends("cut");
  };
  try {
    const int status = wait_while_busy(child, longest_idle()).status;
    join();
    return status;
  } catch (...) {
    join();  // the child has ended, and its end of the pipe with it
    throw;
  }
}

// -- tree

PullStatus status_of(const ServeResult& so_far) {
  PullStatus out;
  out.directories = so_far.directories;
  out.files = so_far.files;
  out.read_files = so_far.read_files;
  out.read_bytes = so_far.read_bytes;
  return out;
}

int serve_tree_to(const Consent& consent, const Log& log, AccessLog& access) {
  const bool writable = ::access(consent.temporary.c_str(), W_OK) == 0;
  const std::string temporary = writable ? consent.temporary : "/var/tmp";
  if (!confine_tree(consent, temporary))
    log.line(consent.server + ": this kernel has no Landlock; the tree is served without a second fence");
  std::optional<PullStatusWriter> status;
  ServeHooks hooks;
  hooks.begins = [&](const std::string& root) {
    status.emplace(pull_status_file(consent.home, consent.server, root));
    access.begins("rsync", root);
  };
  hooks.at_work = [&](const ServeResult& so_far) {
    status->tell(status_of(so_far));
    access.amount(so_far.read_files, so_far.read_bytes);
  };
  const ServeResult result =
      serve_tree(consent.roots, STDIN_FILENO, STDOUT_FILENO, {}, temporary, hooks, consent.server);
  status->finish(status_of(result));
  access.amount(result.read_files, result.read_bytes);
  access.ends("served");
  if (result.spill_error != 0)
    log.line(fmt::format("{}: no temporary file for long listings ({}): they were held in memory",
                         consent.server, system_words(result.spill_error)));
  log.line(fmt::format("{}: tree {}: {} folders, {} files, {} read with {} bytes, {} skipped", consent.server,
                       quoted(result.root), result.directories, result.files, result.read_files,
                       result.read_bytes, result.skipped));
  return kExitDone;
}

}  // namespace

int serve(const Consent& consent, const AgentCommand& command, const Log& log, AccessLog& access) {
  if (command.verb == AgentCommand::Verb::Tree) {
    log.line(consent.server + ": tree begins");
    return serve_tree_to(consent, log, access);
  }
  if (command.verb == AgentCommand::Verb::Stripe) {
    check_sys(CallFilter({Programs::None, {AF_UNIX}}).enter(), [] { return "giving up system calls"; });
    join_stripe(command.ticket, consent.server, STDIN_FILENO, STDOUT_FILENO);
    return kExitDone;
  }
  const std::string what =
      command.verb == AgentCommand::Verb::Git ? "git " + quoted(command.path) : std::string("sftp");
  log.line(consent.server + ": " + what + " begins");
  const int status = command.verb == AgentCommand::Verb::Git ? serve_git(consent, command.path, access)
                                                             : serve_sftp(consent, access);
  log.line(fmt::format("{}: {} ended with status {}", consent.server, what, status));
  return status;
}

}  // namespace bk::agent
