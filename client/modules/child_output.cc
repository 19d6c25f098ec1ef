#include "client/modules/child_output.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace bk::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kComplaintBytes = 2048;  // the last ones are kept
constexpr int kComplaintLines = 3;
constexpr std::size_t kSaidBytes = 240;  // of them, before an advice: long messages lose their end
constexpr std::uint64_t kTail = 512;     // no end mark is longer

struct Pipe {
  Fd read, write;
  Pipe() {
    std::array<int, 2> ends{};
    check_sys(::pipe2(ends.data(), O_CLOEXEC), [] { return "making a pipe"; });
    read = Fd(ends[0]);
    write = Fd(ends[1]);
  }
};

// The last lines, on one line.
std::string last_lines(std::string_view text) {
  std::string out;
  for (int lines = 0; lines < kComplaintLines && !text.empty();) {
    const std::size_t end = text.find_last_not_of("\r\n ");
    if (end == std::string_view::npos) break;
    text = text.substr(0, end + 1);
    const std::size_t begin = text.rfind('\n');
    const std::string_view line = text.substr(begin == std::string_view::npos ? 0 : begin + 1);
    out = std::string(line) + (out.empty() ? "" : "; " + out);
    text = text.substr(0, begin == std::string_view::npos ? 0 : begin);
    ++lines;
  }
  return out;
}

void shorten(std::string& text) {
  if (text.size() <= kSaidBytes) return;
  std::size_t end = kSaidBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80) --end;  // inside of a letter
  text = text.substr(0, end) + " ...";
}

class Watched {
 public:
  Watched(const ChildOutput& what, int stdout_fd)
      : what_(what), end_(steady_clock::now() + what.limit), child_(begin(what, stdout_fd)) {
    complaint_.write.reset();
  }

  // Until both streams have ended; `out` may be no descriptor.
  void drain(Fd out, const std::function<void(std::string_view)>& sink) {
    Fd& err = complaint_.read;
    auto heard = steady_clock::now();
    while (out || err) {
      const auto silence = std::chrono::duration_cast<milliseconds>(steady_clock::now() - heard);
      if (what_.quiet.count() > 0 && silence >= what_.quiet) quiet();
      const auto patience = what_.quiet.count() > 0 ? what_.quiet - silence : milliseconds(60000);
      std::array<pollfd, 2> fds{pollfd{out.get(), POLLIN, 0}, pollfd{err.get(), POLLIN, 0}};
      const std::int64_t limit = std::min<std::int64_t>({left().count(), patience.count() + 1, 60000});
      if (::poll(fds.data(), fds.size(), static_cast<int>(limit)) < 0 && errno != EINTR)
        throw sys_error(errno, "waiting for " + quoted(what_.argv.front()));
      if (fds[0].revents != 0 || fds[1].revents != 0) heard = steady_clock::now();
      if (fds[0].revents != 0) take(out, sink);
      if (fds[1].revents != 0) take(err, [this](std::string_view bytes) { complain(bytes); });
    }
  }

  void finish() {
    const std::optional<int> status = child_.wait_for(left());
    if (!status) late();
    if (*status == 0) return;
    std::string said = last_lines(text_);
    const std::string advice = what_.advice ? what_.advice(text_) : "";
    if (!advice.empty()) shorten(said);
    std::string message = fmt::format("{} {}", quoted(base_name(what_.argv.front())),
                                      *status > 128 ? fmt::format("was killed by signal {}", *status - 128)
                                                    : fmt::format("ended with status {}", *status));
    if (!said.empty()) message += ": " + said;
    if (!advice.empty()) message += "; " + advice;
    throw Error(Kind::Io, message);
  }

 private:
  Child begin(const ChildOutput& what, int stdout_fd) const {
    Command command;
    command.argv = what.argv;
    command.environment = base_environment(what.home);
    command.environment.insert(command.environment.end(), what.environment.begin(), what.environment.end());
    command.stdin_fd = what.stdin_fd;
    command.stdout_fd = stdout_fd;
    command.stderr_fd = complaint_.write.get();
    // It has a process group of its own, which nobody stops when the cmd is killed.
    command.before_exec = [] { return ::prctl(PR_SET_PDEATHSIG, SIGKILL); };
    return start(command);
  }

  milliseconds left() {
    const auto out = std::chrono::duration_cast<milliseconds>(end_ - steady_clock::now());
    if (out.count() <= 0) late();
    return out;
  }
  [[noreturn]] void late() {
    throw Error(Kind::Transient, fmt::format("{} did not end within {} s and was stopped",
                                             quoted(base_name(what_.argv.front())), what_.limit.count()));
  }

  [[noreturn]] void quiet() {
    throw Error(Kind::Transient,
                fmt::format("{} gave nothing for {} s and was stopped: does it wait for a locked table?",
                            quoted(base_name(what_.argv.front())), what_.quiet.count()));
  }

  static void take(Fd& from, const std::function<void(std::string_view)>& sink) {
    static thread_local std::string buffer(256U << 10U, '\0');
    const ssize_t n = ::read(from.get(), buffer.data(), buffer.size());
    if (n > 0) {
      sink(std::string_view(buffer).substr(0, static_cast<std::size_t>(n)));
    } else if (n == 0 || errno != EINTR) {
      from.reset();
    }
  }
  void complain(std::string_view bytes) {
    text_ += bytes;
    if (text_.size() > kComplaintBytes) text_.erase(0, text_.size() - kComplaintBytes);
  }

  const ChildOutput& what_;
  steady_clock::time_point end_;
  Pipe complaint_;
  std::string text_;
  Child child_;  // last: its destructor stops the program first
};

}  // namespace

std::uint64_t run_to_file(const ChildOutput& child, const std::string& path) {
  const Fd file = open_file(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  Watched running(child, file.get());
  running.drain({}, {});
  running.finish();
  struct stat info {};
  check_sys(::fstat(file.get(), &info), [&] { return "looking at " + quoted(path); });
  return static_cast<std::uint64_t>(info.st_size);
}

void run_to_sink(const ChildOutput& child, const std::function<void(std::string_view)>& sink) {
  Pipe output;
  Watched running(child, output.write.get());
  output.write.reset();
  running.drain(std::move(output.read), sink);
  running.finish();
}

std::string run_to_text(const ChildOutput& child, std::size_t limit_bytes) {
  std::string out;
  run_to_sink(child, [&](std::string_view bytes) {
    if (out.size() + bytes.size() > limit_bytes)
      throw Error(Kind::Io, quoted(base_name(child.argv.front())) + " printed more than " +
                                std::to_string(limit_bytes) + " bytes");
    out += bytes;
  });
  return out;
}

std::string installed_program(std::initializer_list<std::string_view> names, std::string_view package) {
  std::string tried;
  for (const std::string_view name : names) {
    for (const std::string_view folder : {"/usr/local/bin/", "/usr/bin/", "/usr/local/mysql/bin/"}) {
      std::string path = std::string(folder) + std::string(name);
      if (::access(path.c_str(), X_OK) == 0) return path;
    }
    tried += (tried.empty() ? "" : " or ") + std::string(name);
  }
  throw Error(Kind::Config, fmt::format("{} is not installed (Debian: {})", tried, package));
}

std::string tail_of(const std::string& path, std::uint64_t size) {
  const Fd file = open_file(path, O_RDONLY | O_NOFOLLOW);
  struct stat info {};
  check_sys(::fstat(file.get(), &info), [&] { return "looking at " + quoted(path); });
  const auto bytes = static_cast<std::uint64_t>(info.st_size);
  std::string out(static_cast<std::size_t>(std::min(size, bytes)), '\0');
  out.resize(pread_up_to(file.get(), out.data(), out.size(), bytes - out.size()));
  return out;
}

void require_end(const std::string& path, std::string_view mark, int behind) {
  const std::string tail = tail_of(path, kTail);
  std::string_view rest = tail;
  for (int line = 0; line <= behind; ++line) {
    rest = rest.substr(0, rest.find_last_not_of("\n ") + 1);
    const std::size_t before = rest.rfind('\n');
    if (rest.substr(before == std::string_view::npos ? 0 : before + 1).starts_with(mark)) return;
    rest = rest.substr(0, before == std::string_view::npos ? 0 : before);
  }
  throw Error(Kind::Io, fmt::format("the dump does not end with \"{}\": it was cut", mark));
}

void require_secret_file(const std::string& path, std::string_view key) {
  struct stat info {};
  if (::stat(path.c_str(), &info) < 0)
    throw Error(Kind::Config, fmt::format("{} = {}: {}", key, quoted(path), system_words(errno)));
  if (!S_ISREG(info.st_mode))
    throw Error(Kind::Config, fmt::format("{} = {} is not a file", key, quoted(path)));
  if ((info.st_mode & 077U) != 0)
    throw Error(Kind::Config, fmt::format("{} = {} can be read by others; it holds a password: chmod 600 it",
                                          key, quoted(path)));
  if (info.st_uid != ::geteuid() && info.st_uid != 0)
    throw Error(Kind::Config,
                fmt::format("{} = {} belongs to another user; chown it to the user that makes backups", key,
                            quoted(path)));
}

}  // namespace bk::client
