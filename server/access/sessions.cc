#include "server/access/sessions.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/io/lock.h"
#include "common/process/proven.h"
#include "common/random/random.h"
#include "common/text/escape.h"
#include "common/text/number.h"
#include "server/access/home.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <map>
#include <sstream>

namespace bk::server {
namespace {

constexpr const char* kVariable = "BACKLINE_SESSION";
constexpr std::size_t kMaxChangesBytes = 64U << 20U, kMaxNameBytes = 4096;

std::string sessions_folder(const std::string& home) { return accepted_file(home, "sessions"); }
std::string changes_file(const std::string& home) { return accepted_file(home, "key_changes"); }

struct OwnSession {
  std::string name, user;
};

// From "NAME USER": our own file is never opened, because closing it would give our lock up.
OwnSession own_session() {
  const char* value = std::getenv(kVariable);
  const std::string text = value != nullptr ? value : "";
  const std::size_t blank = std::min(text.find(' '), text.size());
  return {text.substr(0, blank), text.substr(std::min(blank + 1, text.size()))};
}

// The file's descriptor; nothing when its session has ended meanwhile.
std::optional<Fd> open_session(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  return fd < 0 ? std::nullopt : std::optional<Fd>(Fd(fd));
}

// Only while the folder's lock is held: a file that is made but not yet locked looks like an ended session's.
void remove_ended(const std::string& folder) {
  const std::string own = own_session().name;
  for (const std::string& name : list_directory(folder)) {
    if (name == "lock" || name == own) continue;
    const std::optional<Fd> fd = open_session(folder + "/" + name);
    if (fd && !holder_of(fd->get())) (void)::unlink((folder + "/" + name).c_str());
  }
}

// user -> ticks of the last change since the machine was started.
std::map<std::string, std::uint64_t> read_changes(const std::string& home, const std::string& boot) {
  std::map<std::string, std::uint64_t> out;
  std::istringstream lines(try_read_file(changes_file(home), kMaxChangesBytes).value_or(""));
  std::string user, ticks, of;
  while (lines >> user >> ticks >> of) {
    if (of == boot) out[user] = parse_int<std::uint64_t>(ticks, 0, UINT64_MAX).value_or(0);
  }
  return out;
}

// When the connection that this process serves was made: the start of sshd's process for it, else our own.
std::uint64_t connection_ticks() {
  std::uint64_t own = now_ticks();
  if (const std::optional<ProcessFacts> facts = facts_of(::getpid())) own = facts->started_ticks;
  pid_t pid = ::getppid();
  for (int steps = 0; steps < 16 && pid > 1; ++steps) {
    const std::optional<ProcessFacts> facts = facts_of(pid);
    if (!facts) break;
    if (facts->name.starts_with("sshd")) return facts->started_ticks;
    pid = facts->parent;
  }
  return own;
}

}  // namespace

void begin_session(const std::string& home, const std::string& user) {
  const std::string folder = sessions_folder(home);
  ensure_directory(folder);
  const FileLock lock = FileLock::exclusive(folder + "/lock");
  remove_ended(folder);
  const std::string name = std::to_string(::getpid()) + "-" + hex_encode(SystemRandom().bytes(8));
  Fd fd = open_file(folder + "/" + name, O_RDWR | O_CREAT | O_EXCL);
  write_all(fd.get(), user + "\n");
  if (!hold_record_lock(fd.get())) throw Error(Kind::Io, "a new session's file is locked already");
  check_sys(::fcntl(fd.get(), F_SETFD, 0), [] { return "keeping the session's lock"; });
  (void)fd.release();
  check_sys(::setenv(kVariable, (name + " " + user).c_str(), 1), [] { return "naming the session"; });
}

void require_newer_connection(const std::string& home, const std::string& user) {
  const std::map<std::string, std::uint64_t> changes = read_changes(home, boot_id());
  const auto at = changes.find(user);
  if (at != changes.end() && connection_ticks() <= at->second)
    throw Error(Kind::Refused, "the keys of " + quoted(user) +
                                   " were changed after this connection was made; connect again");
}

void note_key_changes(const std::string& home, const std::set<std::string>& users) {
  const std::string boot = boot_id();
  std::map<std::string, std::uint64_t> changes = read_changes(home, boot);
  const std::uint64_t now = now_ticks();
  for (const std::string& user : users) changes[user] = now;
  std::string text;
  for (const auto& [user, ticks] : changes) text += user + " " + std::to_string(ticks) + " " + boot + "\n";
  replace_durably(changes_file(home), text);
}

EndedSessions end_sessions(const std::string& home, const std::set<std::string>& users,
                           std::chrono::milliseconds grace) {
  EndedSessions out;
  const std::string folder = sessions_folder(home);
  if (users.empty() || !is_directory(folder)) return out;
  const OwnSession own = own_session();
  out.own = users.contains(own.user);
  std::vector<std::pair<std::string, Proven>> sessions;
  for (const std::string& name : list_directory(folder)) {
    if (name == "lock" || name == own.name) continue;
    std::optional<Fd> fd = open_session(folder + "/" + name);
    if (!fd) continue;
    std::string user = read_rest(fd->get(), kMaxNameBytes);
    if (user.ends_with('\n')) user.pop_back();
    if (!users.contains(user)) continue;
    if (std::optional<Proven> process = Proven::holder(std::move(*fd)))
      sessions.emplace_back(std::move(user), std::move(*process));
  }
  for (const int number : {SIGTERM, SIGKILL}) {
    for (const auto& [user, process] : sessions) process.signal(number);
    const auto deadline = std::chrono::steady_clock::now() + grace;
    out.ended += std::erase_if(sessions, [&](const auto& one) { return one.second.ends_by(deadline); });
  }
  for (const auto& [user, process] : sessions)
    out.problems.push_back("a session of " + user + " (process " + std::to_string(process.pid()) +
                           ") does not end");
  return out;
}

}  // namespace bk::server
