#include "client/modules/prepare.h"

#include "client/modules/at_once.h"
#include "client/modules/steps.h"
#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/options/options.h"
#include "common/process/process.h"
#include "common/text/escape.h"
#include "common/text/last_line.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace bk::client {
namespace {

constexpr std::size_t kOutputBytes = 64U << 10U;

Command command_for(const Workshop& shop, const ModuleConfig& module, const Queued& item) {
  Command command;
  command.argv.push_back(find_cmd(shop.config, module));
  command.argv.insert(command.argv.end(), module.cmd.begin() + 1, module.cmd.end());
  command.argv.push_back(item.request.name);
  const std::string& home = shop.config.home;
  command.environment = base_environment(home);
  for (std::string& variable : command.environment) {
    if (variable.starts_with("PATH="))
      variable.insert(5, join_path(home, "scripts") + ":" + program_directory() + ":");
  }
  command.environment.push_back("BACKLINE_HOME=" + home);
  command.environment.push_back("BACKLINE_SERVER=" + item.server);
  command.environment.push_back("BACKLINE_TOKEN=" + item.token);
  command.environment.push_back("BACKLINE_MODULE=" + item.request.module);
  command.environment.push_back("BACKLINE_NAME=" + base64url_encode(item.request.name));
  command.environment.push_back("BACKLINE_PLACE=" +
                                place_of(module.options_of(item.request.name), item.request.name));
  // When send_request is killed, what its cmd would prepare is of no use to anybody.
  command.before_exec = [] { return ::prctl(PR_SET_PDEATHSIG, SIGKILL); };
  return command;
}

struct Attempt {
  std::optional<Ready> ready;
  std::string failure;  // when not ready
  int status = kExitIo;
};

Attempt judge(const Workshop& shop, const ModuleConfig& module, const Queued& item, const Captured& ran) {
  Attempt out;
  const std::string program = module.cmd.front();
  if (ran.timed_out) {
    out.failure =
        fmt::format("{} did not end within {} s and was stopped", program, module.time_limit.count());
    out.status = kExitTryLater;
    return out;
  }
  if (ran.status != kExitDone && ran.status != kExitPartial) {
    const std::string said = last_line(ran.err.empty() ? ran.out : ran.err);
    out.failure = said.empty() ? fmt::format("{} ended with status {}", program, ran.status) : said;
    out.status = ran.status < 128 ? ran.status : kExitIo;
    return out;
  }
  out.ready = shop.queue.find_ready(item.token);
  if (!out.ready) {
    out.failure = program + " ended well but never called add_queue";
  } else if (!module.method.empty() && out.ready->method != module.method) {
    out.failure = fmt::format("{} prepared for method {}; {} says {}", program, quoted(out.ready->method),
                              shop.config.file, quoted(module.method));
    out.ready.reset();
    out.status = kExitConfig;
  } else if (ran.status == kExitPartial && out.ready->skipped_count == 0) {
    out.ready->skipped_count = 1;
    out.ready->skipped = {"unnamed " + percent_encode(program + " ended with status 3")};
  }
  return out;
}

Attempt run_cmd(const Workshop& shop, const Steps& steps, const Queued& item) {
  Attempt out;
  try {
    const ModuleConfig& module = find_module(shop.config, item.request.module);
    out.failure = steps.begin(module, item);
    if (!out.failure.empty()) return out;
    const Captured ran = run_captured(command_for(shop, module, item), module.time_limit, kOutputBytes);
    for (const std::string* text : {&ran.out, &ran.err}) {
      if (!text->empty()) shop.log.line(item.request.module + " " + quoted(item.request.name) + ": " + *text);
    }
    return judge(shop, module, item, ran);
  } catch (const Error& error) {
    out.failure = error.what();
    out.status = exit_status(error.kind());
    return out;
  }
}

Queued prepare_one(const Workshop& shop, Queued item) {
  const Steps steps(shop.config, shop.queue, shop.log, shop.clock);
  const Attempt attempt = run_cmd(shop, steps, item);
  const std::string token = item.token;
  steps.end(token, attempt.ready.has_value());
  if (attempt.ready) {
    adopt(item, *attempt.ready);
    shop.queue.save(item);
    crash_point("prepare.prepared");
    shop.queue.drop_ready(token);
    shop.log.line(describe(item));
    return item;
  }
  if (note_failure(item, attempt.failure, attempt.status, shop.clock.now())) {
    shop.queue.give_back(item);
    shop.log.line(describe(item));
  } else {
    shop.queue.finish(item);
    shop.log.notice(describe(item));
  }
  return item;
}

}  // namespace

std::string find_cmd(const ClientConfig& config, const ModuleConfig& module) {
  const std::string& name = module.cmd.front();
  std::vector<std::string> candidates{name};
  if (!name.starts_with('/')) {
    candidates = {join_path(config.home, "scripts/cmds/" + name),
                  join_path(program_directory(), "cmds/" + name), join_path(program_directory(), name)};
  }
  for (const std::string& candidate : candidates) {
    if (::access(candidate.c_str(), X_OK) == 0 && !is_directory(candidate)) return candidate;
  }
  throw Error(Kind::Config, fmt::format("module {}: cmd {} is not there or cannot be run; looked for {}",
                                        module.name, quoted(name), quoted(candidates.front())));
}

std::vector<Queued> prepare_all(const Workshop& workshop, std::vector<Queued> items) {
  if (items.empty()) return items;
  const FileLock archives = hold_archives(workshop.config.home);
  at_once(workshop.config.parallel, items.size(),
          [&](std::size_t, std::size_t i) { items[i] = prepare_one(workshop, std::move(items[i])); });
  return items;
}

}  // namespace bk::client
