#include "client/modules/expand.h"

#include "client/modules/prepare.h"
#include "client/modules/repositories.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/path/names.h"
#include "common/process/process.h"
#include "common/text/escape.h"

#include <fmt/format.h>

#include <algorithm>

namespace bk::client {
namespace {

constexpr std::chrono::seconds kListLimit{300};
constexpr std::size_t kListBytes = 64U << 20U;

void problem(Expanded& out, const std::string& text, int status) {
  out.problems.push_back(text);
  out.status = std::max(out.status, status);
}

void add_request(const ModuleConfig& module, const std::string& path, Expanded& out) {
  if (is_clean_absolute(path)) {
    out.wanted.push_back({module.name, path});
  } else {
    problem(out, quoted(path) + " is too long for a request", kExitPartial);
  }
}

void add_repositories(const ModuleConfig& module, const std::string& base, Expanded& out) {
  const FoundRepositories found = find_repositories(base);
  for (const std::string& path : found.paths) {
    add_request(module, path, out);
    try {
      const std::string directory = git_directory(path);
      if (directory.empty()) continue;  // gone meanwhile
      for (const std::string& beside : companions(directory)) add_request(module, beside, out);
    } catch (const Error& error) {
      problem(out, error.what(), kExitPartial);
    }
  }
  for (const std::string& text : found.unreadable) problem(out, text, kExitPartial);
  if (found.paths.empty() && found.unreadable.empty())
    problem(out, "no git repository below " + quoted(base), kExitNotFound);
}

// A database server that does not answer is found out here, and not in the night.
void add_listed(const ClientConfig& config, const ModuleConfig& module, Expanded& out) {
  Command command;
  command.argv = {find_cmd(config, module)};
  command.argv.insert(command.argv.end(), module.cmd.begin() + 1, module.cmd.end());
  command.argv.emplace_back("--list");
  command.environment = base_environment(config.home);
  command.environment.push_back("BACKLINE_HOME=" + config.home);
  command.environment.push_back("BACKLINE_MODULE=" + module.name);
  const Captured ran = run_captured(command, kListLimit, kListBytes);
  if (ran.timed_out || ran.out.size() == kListBytes)
    return problem(out, module.cmd.front() + " --list: it takes too long, or prints too much", kExitTryLater);
  const std::string said = ran.err.substr(0, ran.err.find_last_not_of('\n') + 1);
  if (ran.status == kExitPartial) {
    problem(out, said, kExitPartial);
  } else if (ran.status != kExitDone) {
    const std::string why = fmt::format("{} --list ended with status {}", module.cmd.front(), ran.status);
    return problem(out, said.empty() ? why : said.substr(0, said.find('\n')),
                   std::min(ran.status, kExitConfig));
  }
  const std::string& text = ran.out;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string name = text.substr(begin, end - begin);
    if (is_clean_absolute(name)) {
      out.wanted.push_back({module.name, name});
    } else {
      problem(out, quoted(name) + " is no name for a request", kExitPartial);
    }
    begin = end + 1;
  }
  if (out.wanted.empty()) problem(out, "there is nothing to save", kExitNotFound);
}

void add_path(const ModuleConfig& module, const std::string& path, Expanded& out) {
  if (module.kind == "git") {
    add_repositories(module, path, out);
  } else if (!path_exists(path)) {
    problem(out, quoted(path) + " does not exist", kExitNotFound);
  } else {
    out.wanted.push_back({module.name, path});
  }
}

void attempt(Expanded& out, const auto& step) {
  try {
    step();
  } catch (const Error& error) {
    problem(out, error.what(), exit_status(error.kind()));
  }
}

}  // namespace

Expanded expand(const ClientConfig& config, const ModuleConfig& module) {
  Expanded out;
  if (module.is_listed_by_cmd()) {
    if (module.configured) attempt(out, [&] { add_listed(config, module, out); });
    return out;
  }
  for (const std::string& path : module.paths) attempt(out, [&] { add_path(module, path, out); });
  return out;
}

}  // namespace bk::client
