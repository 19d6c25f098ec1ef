#include "common/process/process.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace bk {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

std::pair<Fd, Fd> make_pipe() {
  std::array<int, 2> ends{};
  check_sys(::pipe2(ends.data(), O_CLOEXEC), [] { return "making a pipe"; });
  return {Fd(ends[0]), Fd(ends[1])};
}

std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  std::string_view path = kSystemPath;
  while (!path.empty()) {
    const std::size_t colon = std::min(path.find(':'), path.size());
    std::string candidate = std::string(path.substr(0, colon)) + "/" + name;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    path.remove_prefix(std::min(colon + 1, path.size()));
  }
  throw sys_error(ENOENT, "starting " + quoted(name));
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (const std::string& s : strings) out.push_back(const_cast<char*>(s.c_str()));
  out.push_back(nullptr);
  return out;
}

// In the child: never returns; reports errno through `report`.
[[noreturn]] void exec_child(const Command& command, const std::string& program, char* const* argv,
                             char* const* envp, int null_fd, int report) {
  const auto fail = [report](int code) {
    (void)!::write(report, &code, sizeof code);
    ::_exit(127);
  };
  (void)::setpgid(0, 0);
  sigset_t none;
  ::sigemptyset(&none);
  (void)::sigprocmask(SIG_SETMASK, &none, nullptr);
  (void)::signal(SIGPIPE, SIG_DFL);
  const std::array<int, 3> wanted{command.stdin_fd, command.stdout_fd, command.stderr_fd};
  // Lifted above 2 first, so that a descriptor which is itself 0..2 is not overwritten before its turn.
  std::array<int, 3> lifted{};
  for (std::size_t i = 0; i < 3; ++i) {
    lifted[i] = ::fcntl(wanted[i] >= 0 ? wanted[i] : null_fd, F_DUPFD_CLOEXEC, 10);
    if (lifted[i] < 0) fail(errno);
  }
  for (int i = 0; i < 3; ++i) {
    if (::dup2(lifted[static_cast<std::size_t>(i)], i) < 0) fail(errno);
  }
  // Whatever the program we run in has opened without close-on-exec is not the new program's.  Best effort:
  // the call is of Linux 5.9, the flag of 5.11.
  (void)::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
  if (::chdir(command.directory.empty() ? "/" : command.directory.c_str()) < 0) fail(errno);
  if (command.before_exec && command.before_exec() != 0) fail(errno != 0 ? errno : EPERM);
  ::execve(program.c_str(), argv, envp);
  fail(errno);
  ::_exit(127);
}

int shell_status(int raw) { return WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw); }

}  // namespace

std::vector<std::string> base_environment(const std::string& home) {
  std::vector<std::string> out{std::string("PATH=") + kSystemPath, "LC_ALL=C.UTF-8", "HOME=" + home};
#ifdef BK_CRASH_POINTS
  // Test builds only: a crash point may lie in a program that the tested one starts.
  for (const char* name : {"BACKLINE_CRASH_AT", "BACKLINE_CRASH_LOG", "BACKLINE_CHECKPOINT_BYTES"}) {
    if (const char* value = std::getenv(name)) out.push_back(std::string(name) + "=" + value);
  }
#endif
  return out;
}

Child start(const Command& command) {
  BK_CHECK(!command.argv.empty());
  const std::string program = find_program(command.argv.front());
  const std::vector<char*> argv = pointers(command.argv);
  const std::vector<char*> envp = pointers(command.environment);
  const Fd null_fd = open_file("/dev/null", O_RDWR);
  auto [report_read, report_write] = make_pipe();
  const pid_t pid = check_sys(::fork(), [&] { return "starting " + quoted(program); });
  if (pid == 0) exec_child(command, program, argv.data(), envp.data(), null_fd.get(), report_write.get());
  report_write.reset();
  (void)::setpgid(pid, pid);  // in both, so that the group exists whoever runs first
  int code = 0;
  if (read_up_to(report_read.get(), &code, sizeof code) == sizeof code) {
    int raw = 0;
    while (::waitpid(pid, &raw, 0) < 0 && errno == EINTR) {
    }
    throw sys_error(code, "starting " + quoted(program));
  }
  return Child(pid);
}

Child::Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)), status_(other.status_) {}
Child& Child::operator=(Child&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(status_, other.status_);
  return *this;
}
Child::~Child() {
  if (pid_ > 0 && !status_) stop(milliseconds(0));
}

int Child::wait() {
  while (!status_) {
    int raw = 0;
    if (::waitpid(pid_, &raw, 0) == pid_) {
      status_ = shell_status(raw);
    } else if (errno != EINTR) {
      throw sys_error(errno, "waiting for a child");
    }
  }
  return *status_;
}

std::optional<int> Child::wait_for(milliseconds limit) {
  const auto end = steady_clock::now() + limit;
  for (milliseconds nap(1);; nap = std::min(nap * 2, milliseconds(50))) {
    if (status_) return status_;
    int raw = 0;
    const pid_t got = ::waitpid(pid_, &raw, WNOHANG);
    if (got == pid_) return status_ = shell_status(raw);
    if (got < 0 && errno != EINTR) throw sys_error(errno, "waiting for a child");
    if (steady_clock::now() >= end) return std::nullopt;
    std::this_thread::sleep_for(nap);
  }
}

// Whether the child has ended, without reaping it.
bool Child::ended_within(milliseconds limit) const {
  const auto end = steady_clock::now() + limit;
  for (milliseconds nap(1);; nap = std::min(nap * 2, milliseconds(50))) {
    siginfo_t info{};
    if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        info.si_pid == pid_)
      return true;
    if (steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(nap);
  }
}

void Child::stop(milliseconds grace) {
  if (pid_ <= 0 || status_) return;
  if (grace.count() > 0) {
    (void)::kill(-pid_, SIGTERM);
    (void)ended_within(grace);
  }
  // Before the leader is reaped, because only until then the group's number cannot belong to somebody else.
  // This also ends what a leader that went in time left behind.
  (void)::kill(-pid_, SIGKILL);
  (void)wait();
}

Captured run_captured(Command command, milliseconds deadline, std::size_t limit_bytes,
                      std::string_view input) {
  auto [out_read, out_write] = make_pipe();
  auto [err_read, err_write] = make_pipe();
  Fd in_write;
  Fd in_read;
  if (!input.empty()) {
    std::tie(in_read, in_write) = make_pipe();
    command.stdin_fd = in_read.get();
    check_sys(::fcntl(in_write.get(), F_SETFL, O_NONBLOCK), [] { return "making a pipe"; });
  }
  command.stdout_fd = out_write.get();
  command.stderr_fd = err_write.get();
  Child child = start(command);
  out_write.reset();
  err_write.reset();
  in_read.reset();

  Captured result;
  const auto end = steady_clock::now() + deadline;
  while (out_read || err_read || in_write) {
    const auto left = std::chrono::duration_cast<milliseconds>(end - steady_clock::now());
    if (left.count() <= 0) {
      result.timed_out = true;
      break;
    }
    std::array<pollfd, 3> fds{pollfd{out_read.get(), POLLIN, 0}, pollfd{err_read.get(), POLLIN, 0},
                              pollfd{in_write.get(), POLLOUT, 0}};
    if (::poll(fds.data(), fds.size(), static_cast<int>(std::min<std::int64_t>(left.count(), 60000))) < 0 &&
        errno != EINTR)
      throw sys_error(errno, "waiting for a child");
    const auto drain = [limit_bytes](Fd& fd, short events, std::string& into) {
      if (!fd || events == 0) return;
      std::array<char, 65536> buffer{};
      const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
      if (n > 0) {
        into.append(buffer.data(),
                    std::min(static_cast<std::size_t>(n), limit_bytes - std::min(limit_bytes, into.size())));
      } else if (n == 0 || errno != EINTR) {
        fd.reset();
      }
    };
    drain(out_read, fds[0].revents, result.out);
    drain(err_read, fds[1].revents, result.err);
    if (in_write && fds[2].revents != 0) {
      const ssize_t n = ::write(in_write.get(), input.data(), input.size());
      if (n > 0) input.remove_prefix(static_cast<std::size_t>(n));
      if (input.empty() || (n < 0 && errno != EINTR && errno != EAGAIN)) in_write.reset();
    }
  }
  if (!result.timed_out) {
    const auto left = std::chrono::duration_cast<milliseconds>(end - steady_clock::now());
    result.timed_out = !child.wait_for(std::max(left, milliseconds(0)));
  }
  if (result.timed_out) child.stop(std::chrono::seconds(2));
  result.status = child.wait();
  return result;
}

void replace_process(const Command& command) {
  BK_CHECK(!command.argv.empty());
  const std::string program = find_program(command.argv.front());
  const std::vector<char*> argv = pointers(command.argv);
  const std::vector<char*> envp = pointers(command.environment);
  const std::string directory = command.directory.empty() ? "/" : command.directory;
  check_sys(::chdir(directory.c_str()), [&] { return "entering " + quoted(directory); });
  (void)::signal(SIGPIPE, SIG_DFL);
  ::execve(program.c_str(), argv.data(), envp.data());
  throw sys_error(errno, "starting " + quoted(program));
}

}  // namespace bk
