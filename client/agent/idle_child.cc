#include "client/agent/idle_child.h"

#include "common/error/error.h"
#include "common/io/fd.h"
#include "common/text/number.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

namespace bk::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// What proc(5) tells of a process's reading and writing; it changes when a byte moved.
class Traffic {
 public:
  // Opened while the process runs: of one that has ended, only who has it open already can read it.
  explicit Traffic(pid_t pid) : fd_(::open(fmt::format("/proc/{}/io", pid).c_str(), O_RDONLY | O_CLOEXEC)) {}
  [[nodiscard]] std::optional<std::string> read() const {
    std::array<char, 4096> buffer{};
    const ssize_t n = fd_ ? ::pread(fd_.get(), buffer.data(), buffer.size(), 0) : -1;
    return n > 0 ? std::optional(std::string(buffer.data(), static_cast<std::size_t>(n))) : std::nullopt;
  }

 private:
  Fd fd_;
};

std::uint64_t written(const std::optional<std::string>& traffic) {
  constexpr std::string_view kName = "wchar: ";
  const std::size_t at = traffic ? traffic->find(kName) : std::string::npos;
  if (at == std::string::npos) return 0;
  const std::size_t begin = at + kName.size();
  const std::string_view number =
      std::string_view(*traffic).substr(begin, traffic->find('\n', begin) - begin);
  return parse_int<std::uint64_t>(number, 0, UINT64_MAX).value_or(0);
}

// Without reaping it: its counts are read first.
bool ends_within(pid_t pid, milliseconds limit) {
  const auto end = steady_clock::now() + limit;
  for (milliseconds nap(1);; nap = std::min(nap * 2, milliseconds(50))) {
    siginfo_t info{};
    if (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        info.si_pid == pid)
      return true;
    if (steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(nap);
  }
}

}  // namespace

Ended wait_while_busy(Child& child, milliseconds limit) {
  const Traffic traffic(child.pid());
  std::optional<std::string> before = traffic.read();
  auto since = steady_clock::now();
  for (;;) {
    if (ends_within(child.pid(), std::max(limit / 8, milliseconds(1)))) {
      const std::uint64_t bytes = written(traffic.read());
      return {child.wait(), bytes};
    }
    std::optional<std::string> now = traffic.read();
    if (!now || now != before) {
      before = std::move(now);
      since = steady_clock::now();
    } else if (steady_clock::now() - since > limit) {
      child.stop();
      throw Error(Kind::Transient,
                  fmt::format("the server said and took nothing for {} s", limit.count() / 1000));
    }
  }
}

}  // namespace bk::agent
