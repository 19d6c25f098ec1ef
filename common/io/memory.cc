#include "common/io/memory.h"

#include "common/io/file.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <exception>
#include <string>
#include <string_view>

namespace bk {
namespace {

constexpr std::string_view kGroups = "/sys/fs/cgroup";

// "max", a file that is missing and anything strange limit nothing.
std::uint64_t limit_in(const std::string& path) {
  const std::string text = try_read_file(path, 4096).value_or("");
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end != text.data() ? value : UINT64_MAX;
}

// Every group up to the root may limit.
std::uint64_t limit_along(const std::string& root, std::string group, const std::string& file) {
  std::uint64_t limit = UINT64_MAX;
  for (;;) {
    limit = std::min(limit, limit_in(root + group + "/" + file));
    const std::size_t slash = group.rfind('/');
    if (slash == std::string::npos) return limit;
    group.resize(slash);
  }
}

std::uint64_t limit_of_groups() {
  std::uint64_t limit = UINT64_MAX;
  const std::string all = try_read_file("/proc/self/cgroup", 65536).value_or("");
  for (std::string_view rest = all; !rest.empty();) {
    const std::string line(rest.substr(0, rest.find('\n')));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (controllers.empty()) limit = std::min(limit, limit_along(std::string(kGroups), group, "memory.max"));
    if (controllers == "memory")
      limit = std::min(limit, limit_along(std::string(kGroups) + "/memory", group, "memory.limit_in_bytes"));
  }
  return limit;
}

}  // namespace

std::uint64_t memory_limit_bytes() noexcept {
  const long pages = ::sysconf(_SC_PHYS_PAGES), page = ::sysconf(_SC_PAGESIZE);
  std::uint64_t limit = UINT64_MAX;
  if (pages > 0 && page > 0) limit = static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page);
  try {
    return std::min(limit, limit_of_groups());
  } catch (const std::exception&) {
    return limit;
  }
}

}  // namespace bk
