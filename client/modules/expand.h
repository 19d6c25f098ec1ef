// From what a user names to requests.
#pragma once

#include "client/config/config.h"
#include "client/queue/queue.h"

#include <string>
#include <vector>

namespace bk::client {

struct Expanded {
  std::vector<Queue::Wanted> wanted;
  std::vector<std::string> problems;  // one clear line each: what is not asked for, and why
  int status = 0;                     // of the worst problem
};
// Module git: every repository below the paths.  Every other module: each path, which must exist.
// The paths are clean and absolute.
[[nodiscard]] Expanded expand(const ModuleConfig& module, const std::vector<std::string>& paths);

}  // namespace bk::client
