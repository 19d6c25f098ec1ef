#include "server/backup/events.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/path/names.h"
#include "common/text/escape.h"

#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace bk::server {
namespace {

Fd take_signals() {
  sigset_t wanted;
  ::sigemptyset(&wanted);
  for (const int signal : {SIGTERM, SIGINT, SIGCHLD}) ::sigaddset(&wanted, signal);
  check_sys(::sigprocmask(SIG_BLOCK, &wanted, nullptr), [] { return "blocking signals"; });
  return Fd(
      check_sys(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK), [] { return "waiting for signals"; }));
}

// Empties a descriptor that is only an alarm bell.
void drain(int fd) {
  std::array<char, 16384> buffer{};
  while (::read(fd, buffer.data(), buffer.size()) == static_cast<ssize_t>(buffer.size())) {
  }
}

// What is there now, as far as it is worth anything.
std::string take(int fd) {
  std::string out(16384, '\0');
  const ssize_t got = ::read(fd, out.data(), out.size());
  out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return out;
}

bool stop_asked(int fd) {
  bool stop = false;
  signalfd_siginfo info{};
  while (::read(fd, &info, sizeof info) == static_cast<ssize_t>(sizeof info))
    stop = stop || info.ssi_signo != SIGCHLD;
  return stop;
}

}  // namespace

Events::Events()
    : signals_(take_signals()),
      changes_(check_sys(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK), [] { return "watching folders"; })) {}

void Events::watch_folders(const std::string& todo) {
  const auto watch = [this](const std::string& folder) {
    if (!watched_.insert(folder).second) return;
    check_sys(
        ::inotify_add_watch(changes_.get(), folder.c_str(), IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_ONLYDIR),
        [&] { return "watching " + quoted(folder); });
  };
  watch(todo);
  for (const std::string& client : list_directory(todo)) {
    if (is_safe_name(client) && is_directory(todo + "/" + client)) watch(todo + "/" + client);
  }
}

Events::Woken Events::wait(std::span<const int> workers, std::chrono::milliseconds limit) {
  std::vector<pollfd> fds{{signals_.get(), POLLIN, 0}, {changes_.get(), POLLIN, 0}};
  for (const int worker : workers) fds.push_back({worker, POLLIN, 0});
  const int ready =
      ::poll(fds.data(), fds.size(), static_cast<int>(std::max<std::int64_t>(limit.count(), 0)));
  if (ready < 0 && errno != EINTR) throw sys_error(errno, "waiting for workers");
  Woken out;
  if (ready <= 0) return out;
  out.stop = fds[0].revents != 0 && stop_asked(signals_.get());
  out.requests = fds[1].revents != 0;
  if (out.requests) drain(changes_.get());
  for (std::size_t i = 0; i < workers.size(); ++i) {
    if (fds[i + 2].revents == 0) continue;
    out.alive.push_back({i, take(workers[i])});
  }
  return out;
}

}  // namespace bk::server
