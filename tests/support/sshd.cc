#include "tests/support/sshd.h"

#include "common/error/error.h"
#include "common/io/file.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <thread>

namespace bk::test {
namespace {

using namespace std::chrono_literals;

void run(const std::vector<std::string>& argv) {
  Command command;
  command.argv = argv;
  command.environment = base_environment("/");
  const Captured result = run_captured(command, 60s);
  if (result.status != 0) throw Error(Kind::Io, argv[0] + ": " + result.err + result.out);
}

std::uint16_t free_port() {
  const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* plain = reinterpret_cast<sockaddr*>(&address);
  check_sys(::bind(fd.get(), plain, size), [] { return "binding to a free port"; });
  check_sys(::getsockname(fd.get(), plain, &size), [] { return "asking for the port"; });
  return ntohs(address.sin_port);
}

std::string command_line(pid_t pid) {
  std::string text = try_read_file("/proc/" + std::to_string(pid) + "/cmdline").value_or("");
  for (char& c : text)
    if (c == '\0') c = ' ';
  return text;
}

}  // namespace

void make_key(const std::string& file, const std::string& type) {
  std::vector<std::string> argv{"ssh-keygen", "-q", "-N", "", "-C", "test", "-t", type, "-f", file};
  if (type == "rsa") argv.insert(argv.end(), {"-b", "2048"});
  run(argv);
}

std::string public_key(const std::string& file) {
  const std::string text = read_file(file + ".pub");
  return text.substr(0, text.find(' ', text.find(' ') + 1));
}

std::string user_name() {
  const passwd* entry = ::getpwuid(::geteuid());
  if (entry == nullptr) throw Error(Kind::Io, "the invoking user has no name");
  return entry->pw_name;
}

Sshd::Sshd() : Sshd(Options{}) {}

Sshd::Sshd(const Options& options) : host_key_types_(options.host_key_types) {
  for (const std::string& type : host_key_types_) make_key(dir_.file("host_" + type), type);
  make_key(identity(), options.client_key_type);
  std::vector<std::string> lines{options.key_options + public_key(identity())};
  lines.insert(lines.end(), options.more_keys.begin(), options.more_keys.end());
  authorize(lines);
  // As root sshd insists on its privilege separation directory, which only its service makes.
  if (::geteuid() == 0) (void)::mkdir("/run/sshd", 0755);
  for (const std::string& line : options.config) config_ += line + "\n";
  for (int attempt = 0;; ++attempt) {
    port_ = free_port();
    write_config();
    try {
      start();
      return;
    } catch (const Error&) {  // somebody took the port in between
      if (attempt == 4) throw;
    }
  }
}

Sshd::~Sshd() {
  if (child_) stop();
}

void Sshd::write_config() {
  std::string text =
      "Port " + std::to_string(port_) + "\nListenAddress 127.0.0.1\nPidFile none\n" + "AuthorizedKeysFile " +
      dir_.file("authorized_keys") + "\n" +
      "StrictModes no\nUsePAM no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n"
      "KbdInteractiveAuthentication no\nUseDNS no\nMaxStartups 200\nMaxSessions 50\n"
      "LogLevel VERBOSE\n"
      "SetEnv SHLVL=1\n";  // a bash of the second level does not read the user's .bashrc
  for (const std::string& type : host_key_types_) text += "HostKey " + dir_.file("host_" + type) + "\n";
  replace_durably(dir_.file("sshd_config"), text + config_);
}

void Sshd::authorize(const std::vector<std::string>& lines) const {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  replace_durably(dir_.file("authorized_keys"), text);
}

void Sshd::start() {
  Command command;
  // sshd wants its own absolute path, because it executes itself again for each connection.
  command.argv = {"/usr/sbin/sshd", "-D", "-f", dir_.file("sshd_config"), "-E", dir_.file("sshd.log")};
  command.environment = base_environment(dir_.path());
  const std::size_t before = log().size();
  child_ = bk::start(command);
  for (int i = 0; i < 1000; ++i) {
    if (child_->wait_for(0ms)) break;
    if (log().find("Server listening on", before) != std::string::npos) return;
    std::this_thread::sleep_for(10ms);
  }
  child_.reset();
  throw Error(Kind::Io, "sshd did not start: " + log());
}

void Sshd::stop() {
  // Deepest first, and each was started below our own child.
  const std::vector<pid_t> below = descendants();
  for (auto it = below.rbegin(); it != below.rend(); ++it) {
    (void)::kill(*it, SIGCONT);
    (void)::kill(*it, SIGKILL);
  }
  child_->stop(0ms);
  child_.reset();
}

pid_t Sshd::pid() const { return child_->pid(); }

ssh::Endpoint Sshd::endpoint(const std::string& path) const {
  ssh::Endpoint out;
  out.address = {user_name(), "127.0.0.1", port_, path};
  out.host_key = host_key(host_key_types_.front());
  out.identity_file = identity();
  return out;
}

std::string Sshd::host_key(const std::string& type) const { return public_key(dir_.file("host_" + type)); }

std::string Sshd::log() const { return try_read_file(dir_.file("sshd.log")).value_or(""); }

std::vector<pid_t> descendants_of(pid_t pid) {
  std::vector<pid_t> out;
  const std::string file = "/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children";
  std::string text;
  try {
    text = try_read_file(file).value_or("");
  } catch (const Error&) {  // it ended while we looked
    return out;
  }
  char* at = text.data();
  for (;;) {
    const auto child = static_cast<pid_t>(std::strtol(at, &at, 10));
    if (child <= 0) return out;
    out.push_back(child);
    for (const pid_t below : descendants_of(child)) out.push_back(below);
  }
}

std::vector<pid_t> Sshd::descendants() const {
  return child_ ? descendants_of(child_->pid()) : std::vector<pid_t>{};
}

std::optional<pid_t> Sshd::find_descendant(const std::string& part) const {
  for (int i = 0; i < 1000; ++i) {
    for (const pid_t pid : descendants())
      if (command_line(pid).find(part) != std::string::npos) return pid;
    std::this_thread::sleep_for(10ms);
  }
  return std::nullopt;
}

}  // namespace bk::test
