#include "common/process/proven.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/number.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <sstream>

namespace bk {
namespace {

struct flock whole_file() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

int send(int process, int number) {
  return static_cast<int>(::syscall(SYS_pidfd_send_signal, process, number, nullptr, 0));
}

}  // namespace

bool hold_record_lock(int fd) {
  struct flock lock = whole_file();
  if (::fcntl(fd, F_SETLK, &lock) == 0) return true;
  if (errno == EACCES || errno == EAGAIN) return false;
  throw sys_error(errno, "locking a file");
}

std::optional<pid_t> holder_of(int fd) {
  struct flock lock = whole_file();
  check_sys(::fcntl(fd, F_GETLK, &lock), [] { return "asking for the holder of a lock"; });
  if (lock.l_type == F_UNLCK || lock.l_pid <= 1) return std::nullopt;
  return lock.l_pid;
}

std::optional<Proven> Proven::holder(Fd fd) {
  const std::optional<pid_t> pid = holder_of(fd.get());
  if (!pid) return std::nullopt;
  Fd process(static_cast<int>(::syscall(SYS_pidfd_open, *pid, 0)));
  // Whoever holds the lock behind the opening held it before: a reused number would not.
  if (process.get() < 0 || holder_of(fd.get()) != pid) return std::nullopt;
  return Proven(std::move(fd), std::move(process), *pid);
}

void Proven::signal(int number) const {
  // Stopped, it cannot end by itself and give its group's number away between the look and the signal.
  if (send(process_.get(), SIGSTOP) != 0) return;
  if (holder_of(file_.get()) == pid_ && ::getpgid(pid_) == pid_) {
    (void)::kill(-pid_, number);
  } else {
    (void)send(process_.get(), number);
  }
  (void)send(process_.get(), SIGCONT);
}

bool Proven::ends_by(std::chrono::steady_clock::time_point deadline) const {
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd poll_fd{process_.get(), POLLIN, 0};
    const int ready = ::poll(&poll_fd, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (ready > 0) return true;
    if (ready == 0) return false;
    if (errno != EINTR) throw sys_error(errno, "waiting for a process");
  }
}

std::optional<ProcessFacts> facts_of(pid_t pid) {
  const std::optional<std::string> text = [&]() -> std::optional<std::string> {
    try {
      return try_read_file("/proc/" + std::to_string(pid) + "/stat", 4096);
    } catch (const Error&) {
      return std::nullopt;  // it ended while we looked
    }
  }();
  if (!text) return std::nullopt;
  // "PID (NAME) STATE PPID …"; the name may hold anything, so the last parenthesis counts.
  const std::size_t open = text->find('('), close = text->rfind(')');
  if (open == std::string::npos || close == std::string::npos || close < open) return std::nullopt;
  ProcessFacts facts;
  facts.name = text->substr(open + 1, close - open - 1);
  std::istringstream rest(text->substr(close + 1));
  std::string word;
  constexpr int kParent = 4, kStarted = 22;
  for (int field = 3; rest >> word; ++field) {
    if (field == kParent) facts.parent = parse_int<pid_t>(word, 0, 1 << 30).value_or(0);
    if (field == kStarted) {
      facts.started_ticks = parse_int<std::uint64_t>(word, 0, UINT64_MAX).value_or(0);
      return facts;
    }
  }
  return std::nullopt;
}

std::uint64_t now_ticks() {
  timespec now{};
  check_sys(::clock_gettime(CLOCK_BOOTTIME, &now), [] { return "reading the clock"; });
  const auto per_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  return static_cast<std::uint64_t>(now.tv_sec) * per_second +
         static_cast<std::uint64_t>(now.tv_nsec) * per_second / 1000000000U;
}

std::string boot_id() {
  std::string text = try_read_file("/proc/sys/kernel/random/boot_id", 100).value_or("");
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace bk
