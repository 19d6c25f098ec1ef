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
// What backup_it asks for.  Kind git: every repository below the module's paths, and what lies beside its
// history (companions()).  Kinds that are listed by
// their cmd (databases): what that cmd names, when the module is configured.  Every other one: each path,
// which must exist.
[[nodiscard]] Expanded expand(const ClientConfig& config, const ModuleConfig& module);

}  // namespace bk::client
