#include "client/agent/idle_child.h"

#include "common/error/error.h"
#include "common/io/file.h"

#include <fmt/format.h>

#include <optional>
#include <string>

namespace bk::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// What proc(5) tells of a process's reading and writing; it changes when a byte moved.
std::optional<std::string> moved(pid_t pid) {
  try {
    return try_read_file(fmt::format("/proc/{}/io", pid), 4096);
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace

int wait_while_busy(Child& child, milliseconds limit) {
  std::optional<std::string> before = moved(child.pid());
  auto since = steady_clock::now();
  for (;;) {
    if (const std::optional<int> status = child.wait_for(std::max(limit / 8, milliseconds(1))))
      return *status;
    std::optional<std::string> now = moved(child.pid());
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
