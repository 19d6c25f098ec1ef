// restore_it: fetch one's own snapshots back.
#include "client/restore/fetch.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/options/options.h"
#include "common/restore/destination.h"
#include "common/restore/whole_rows.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>

namespace {

using namespace bk;
using namespace bk::client;

void declare(Options& options) {
  options.usage("restore_it [options] ls [data_idx] [datetime_range]")
      .usage("restore_it [options] files data_idx [datetime_range] [PATH]")
      .usage("restore_it [options] find PATTERN [data_idx] [datetime_range]")
      .usage("restore_it [options] export DEST [data_idx] [datetime_range]")
      .usage("restore_it whole FOLDER")
      .usage("restore_it --from FILE|- [--force] [--no-sync] export DEST");
  add_home(options);
  options.value("server", "NAME", "the server to ask (default: default_server)")
      .value("module", "NAME", "only what was backed up as this module")
      .value("method", "NAME", "only this transfer method: git, rsync, sftp")
      .values("path", "PATH", "export: only this part (repeatable)")
      .value("from", "FILE", "export: read the stream of \"bkdb export - --stream\"; - is standard input")
      .flag("force", "export: into a folder that is not empty")
      .flag("no-sync", "export: do not wait until everything is on the disk")
      .flag("json", "ls, files, find: machine-readable output with exact times and paths")
      .positionals(1, 64)
      .footer(
          "data_idx: 0,2 as ls numbers the sources.  datetime_range: =T  >T[,N]  <T[,N]  >T,<T\n"
          "with T = [[YYYY-]MM-]DD[ hh[:mm[:ss]]], in UTC.  Quote it: the shell knows < and > too.");
}

// At most five times a second, and only for people.
std::function<void(std::uint64_t)> progress() {
  if (::isatty(STDERR_FILENO) != 1) return {};
  return [next = std::chrono::steady_clock::now()](std::uint64_t received) mutable {
    const auto now = std::chrono::steady_clock::now();
    if (now < next) return;
    next = now + std::chrono::milliseconds(200);
    std::fputs(fmt::format("\rreceived {:.1f} MiB ", static_cast<double>(received) / (1 << 20)).c_str(),
               stderr);
  };
}

ReceiveTask task_of(const Options& options) {
  ReceiveTask task;
  task.force = options.has("force");
  task.sync = !options.has("no-sync");
  task.print = [](std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size())
      throw sys_error(errno, "writing standard output");
  };
  task.complain = [](const std::string& text) { std::fputs(("restore_it: " + text + "\n").c_str(), stderr); };
  task.progress = progress();
  return task;
}

restore::Ask ask_of(const Options& options) {
  restore::Ask ask;
  ask.command = options.words().front();
  ask.words.assign(options.words().begin() + 1, options.words().end());
  ask.paths = options.all("path");
  ask.module = options.get("module").value_or("");
  ask.method = options.get("method").value_or("");
  ask.json = options.has("json");
  return ask;
}

// Of what is there; what is not there is named below its folder.
std::string real_path(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> found(::realpath(path.c_str(), nullptr), &std::free);
  if (found) return found.get();
  const std::string parent = parent_of(path);
  return parent == path ? path : join_path(real_path(parent), base_name(path));
}

// What lies there is Backline's own: a restore would be taken for requests, cleared away, or backed up.
void refuse_own_folders(const std::string& home, const std::string& destination) {
  const std::string path = real_path(clean_absolute(destination)) + "/";
  for (const char* name : {"requests", "log", "tmp", "spool", "scripts"}) {
    const std::string own = join_path(home, name);
    if (path.starts_with(real_path(own) + "/"))
      throw Error(Kind::Usage, quoted(destination) + " lies in " + quoted(own) +
                                   ", which is Backline's own; name a folder somewhere else");
  }
}

// What lies there is pulled as it is.
void refuse_spool(const std::string& home, const std::string& folder) {
  refuse_own_folders(home, folder);
  if (real_path(join_path(home, "spool")).starts_with(real_path(clean_absolute(folder)) + "/"))
    throw Error(Kind::Usage, quoted(folder) + " holds Backline's own spool; name the restored folder");
}

int make_whole(const Options& options, const char* argv0) {
  if (options.words().size() != 2) throw Error(Kind::Usage, "usage: restore_it whole FOLDER");
  const std::string& folder = options.words()[1];
  refuse_spool(find_home(options, argv0), folder);
  const std::string text = fmt::format("{} files of rows made whole\n", make_rows_whole(folder));
  std::fputs(text.c_str(), stdout);
  return kExitDone;
}

int run(const Options& options, const char* argv0) {
  if (!options.words().empty() && options.words().front() == "whole") return make_whole(options, argv0);
  restore::Ask ask = ask_of(options);
  ReceiveTask task = task_of(options);
  if (ask.command == "export") {
    if (ask.words.empty())
      throw Error(Kind::Usage, "usage: restore_it export DEST [data_idx] [datetime_range]");
    task.destination = ask.words.front();
    ask.words.erase(ask.words.begin());
    // Before anything is asked: a mistyped folder costs nobody anything.
    Destination::check(*task.destination, {task.force, task.sync});
    ask.keeps = Destination::is_unfinished(*task.destination);
  } else if (ask.command != "ls" && ask.command != "files" && ask.command != "find") {
    throw Error(Kind::Usage, "unknown command " + quoted(ask.command) +
                                 "; there are ls, files, find, export, whole; see --help");
  }
  if (const std::optional<std::string> from = options.get("from")) {
    if (!task.destination || !ask.words.empty() || !ask.paths.empty())
      throw Error(
          Kind::Usage,
          "--from goes with \"export DEST\" alone: what is in the stream was chosen when it was made");
    if (*from == "-") return receive_from(STDIN_FILENO, task);
    const Fd file = open_file(*from, O_RDONLY);
    return receive_from(file.get(), task);
  }
  const ClientConfig config = load_config(find_home(options, argv0));
  if (task.destination) refuse_own_folders(config.home, *task.destination);
  return fetch(config.home, find_server(config, options.get("server").value_or("")), ask, task);
}

}  // namespace

int main(int argc, char** argv) {
  Options options("restore_it", "fetch this client's own snapshots back");
  declare(options);
  return run_program(options, argc, argv, [&] { return run(options, argv[0]); });
}
