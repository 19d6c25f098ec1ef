#include "client/modules/steps.h"

#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/process/process.h"
#include "common/text/document.h"
#include "common/text/escape.h"
#include "common/text/last_line.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace bk::client {
namespace {

constexpr std::string_view kOwed = ".owed-";
constexpr std::uint64_t kMaxOwedBytes = 1U << 20U;
constexpr std::size_t kOutputBytes = 64U << 10U;
// With a send_request every five minutes: more than an hour.
constexpr std::uint64_t kMostFailures = 20;

std::string find_step(const ClientConfig& config, const std::string& word) {
  if (word.starts_with('/')) return word;
  const std::string own = join_path(config.home, "scripts/cmds/" + word);
  return ::access(own.c_str(), X_OK) == 0 ? own : word;  // start() looks in the system's folders
}

std::string why_not(const Captured& ran, std::chrono::seconds limit) {
  if (ran.timed_out) return fmt::format("did not end within {} s and was stopped", limit.count());
  if (ran.status == 0) return {};
  const std::string& said = ran.err.empty() ? ran.out : ran.err;
  const std::string tail = last_line(said);
  return fmt::format("ended with status {}{}", ran.status, tail.empty() ? "" : ": " + tail);
}

}  // namespace

std::string write_owed(const Owed& owed) {
  Document doc("bk-owed", 1);
  doc.add("token", owed.token).add("id", owed.id).add("module", owed.module).add("name", owed.name);
  doc.add("place", owed.place);
  for (const std::string& word : owed.after) doc.add("after", word);
  for (const std::string& word : owed.release) doc.add("release", word);
  doc.add("limit", static_cast<std::uint64_t>(owed.limit.count()));
  doc.add("until", to_text(owed.until));
  doc.add("failures", owed.failures);
  return doc.write();
}

Owed parse_owed(std::string_view text) {
  const Document doc = Document::parse(text, "bk-owed");
  doc.allow_only(
      {"token", "id", "module", "name", "place", "after", "release", "limit", "until", "failures"});
  Owed out;
  out.token = doc.get("token");
  out.id = doc.get("id");
  out.module = doc.get("module");
  out.name = doc.get("name");
  out.place = doc.get("place");
  out.after = doc.all("after");
  out.release = doc.all("release");
  out.limit = std::chrono::seconds(doc.get_number("limit", 3653ULL * 86400));
  const std::optional<Timestamp> until = parse_timestamp(doc.get("until"));
  if (!until) throw Error(Kind::Protocol, "until is not a time");
  out.until = *until;
  out.failures = doc.get_number("failures");
  return out;
}

std::string place_of(const PathConfig& options, const std::string& path) {
  return options.read_from.empty() ? path : options.read_from;
}

std::string Steps::file(const std::string& token) const {
  return join_path(queue_.directory(), std::string(kOwed) + token);
}

std::string Steps::begin(const ModuleConfig& module, const Queued& item) const {
  const PathConfig& options = module.options_of(item.request.name);
  if (options.before.empty() && options.after.empty() && options.release.empty()) return {};
  Owed owed;
  owed.token = item.token;
  owed.id = item.request.id;
  owed.module = item.request.module;
  owed.name = item.request.name;
  owed.place = place_of(options, item.request.name);
  owed.after = options.after;
  owed.release = options.release;
  owed.limit = module.step_limit;
  owed.until = clock_.now().plus(module.release_after);
  if (!owed.after.empty() || !owed.release.empty()) {
    replace_durably(file(owed.token), write_owed(owed));
    crash_point("steps.owed");
  }
  if (options.before.empty()) return {};
  const std::string failure = run(owed, "before", options.before);
  crash_point("steps.before");
  return failure.empty() ? failure : "before: " + failure;
}

void Steps::end(const std::string& token, bool prepared) const {
  const std::optional<std::string> text = try_read_file(file(token), kMaxOwedBytes);
  if (!text) return;
  std::vector<std::string> problems;
  pay_all(parse_owed(*text), !prepared, problems);
}

std::vector<std::string> Steps::settle() const {
  std::vector<std::string> problems;
  for (const std::string& name : list_directory(queue_.directory())) {
    if (!name.starts_with(kOwed) || name.ends_with(".tmp")) continue;
    const std::string path = join_path(queue_.directory(), name);
    try {
      Owed owed = parse_owed(read_file(path, kMaxOwedBytes));
      if (name != std::string(kOwed) + owed.token) throw Error(Kind::Protocol, "it is of another run");
      const bool release = is_due(owed);
      pay_all(std::move(owed), release, problems);
    } catch (const Error& error) {
      if (error.kind() != Kind::Protocol) throw;
      ensure_directory(join_path(queue_.directory(), "damaged"));
      rename_durably(path, join_path(queue_.directory(), "damaged/" + name.substr(1)));
      problems.push_back(quoted(path) + ": " + error.what() +
                         "; moved to damaged/, look whether something is still paused or mounted");
    }
  }
  return problems;
}

// False while a request in progress still waits for the server to read this run's data.
bool Steps::is_due(const Owed& owed) const {
  if (owed.until <= clock_.now()) return true;
  for (const Queue::Entry& entry : queue_.list("P").entries) {
    if (entry.item.request.id == owed.id && entry.item.step != Step::Preparing &&
        entry.item.step != Step::Waiting)
      return false;
  }
  return true;
}

std::string Steps::run(const Owed& owed, std::string_view step, const std::vector<std::string>& argv) const {
  Command command;
  command.argv = argv;
  command.argv.front() = find_step(config_, argv.front());
  command.environment = base_environment(config_.home);
  const auto tell = [&](std::string_view name, std::string_view value) {
    command.environment.push_back("BACKLINE_" + std::string(name) + "=" + std::string(value));
  };
  tell("HOME", config_.home);
  tell("SERVER", queue_.server());
  tell("MODULE", owed.module);
  tell("PATH", owed.name);
  tell("PLACE", owed.place);
  tell("REQUEST", owed.id);
  tell("STEP", step);
  // Cut short with us, it is run again by the next send_request.
  command.before_exec = [] { return ::prctl(PR_SET_PDEATHSIG, SIGKILL); };
  std::string failure;
  try {
    const Captured ran = run_captured(command, owed.limit, kOutputBytes);
    for (const std::string* text : {&ran.out, &ran.err}) {
      if (!text->empty()) log_.line(fmt::format("{} {} {}: {}", owed.module, quoted(owed.name), step, *text));
    }
    failure = why_not(ran, owed.limit);
  } catch (const Error& error) {
    return error.what();
  }
  return failure.empty() ? failure : argv.front() + " " + failure;
}

// True when nothing is owed of this step any more.
bool Steps::pay(Owed& owed, std::string_view step, std::vector<std::string> Owed::*command,
                std::vector<std::string>& problems) const {
  if ((owed.*command).empty()) return true;
  const std::string failure = run(owed, step, owed.*command);
  if (failure.empty()) {
    (owed.*command).clear();
    owed.failures = 0;
    return true;
  }
  const bool last = ++owed.failures >= kMostFailures;
  const std::string text = fmt::format(
      "{} {}: {}: {}{}", owed.module, quoted(owed.name), step, failure,
      last ? "; it is not tried again: do by hand what it should have done" : "; it is tried again");
  if (last || owed.failures == 1) {
    log_.notice(text);
  } else {
    log_.line(text);
  }
  problems.push_back(text);
  if (!last) return false;
  (owed.*command).clear();
  owed.failures = 0;
  return true;
}

void Steps::pay_all(Owed owed, bool release, std::vector<std::string>& problems) const {
  const Owed before = owed;
  bool paid = pay(owed, "after", &Owed::after, problems);
  crash_point("steps.after");
  // A release must not run ahead of what comes before it.
  if (paid && release) {
    paid = pay(owed, "release", &Owed::release, problems);
    crash_point("steps.release");
  }
  if (owed.after.empty() && owed.release.empty()) {
    remove_durably(file(owed.token));
  } else if (!(owed == before)) {
    replace_durably(file(owed.token), write_owed(owed));
  }
}

}  // namespace bk::client
