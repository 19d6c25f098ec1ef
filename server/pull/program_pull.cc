// A transfer method of the administrator's own: <home>/scripts/cmds/pull_<method> fills a folder, which is
// stored as a tree.
//
// The program is told what is wanted and writes only below its folder (Landlock, where the kernel has it).
// It works as long as it does something: a group of processes that neither computes nor reads nor writes is
// as good as hanging.  What is stored is what a program that ended with 0 or 3 left.
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/io/lock.h"
#include "common/log/log.h"
#include "common/process/landlock.h"
#include "common/process/process.h"
#include "common/text/escape.h"
#include "common/text/last_line.h"
#include "common/text/number.h"
#include "server/pull/driver.h"
#include "server/store/tree.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <thread>

namespace bk::pull {
namespace {

constexpr std::size_t kOutputBytes = 64U << 10U;
constexpr std::chrono::seconds kLook{2};

// The fields of /proc/<pid>/stat behind the name, which may hold anything but ends at the last ')'.
std::vector<std::string> stat_fields(const std::string& pid) {
  const std::string text = try_read_file("/proc/" + pid + "/stat", 8192).value_or("");
  std::vector<std::string> out;
  std::size_t at = text.rfind(')');
  while (at != std::string::npos && at + 1 < text.size()) {
    const std::size_t end = std::min(text.find(' ', at + 1), text.size());
    if (end > at + 1) out.push_back(text.substr(at + 1, end - at - 1));
    at = end;
  }
  return out;
}

std::uint64_t counters_of(const std::string& pid, const std::vector<std::string>& fields) {
  const auto number = [](std::string_view text) { return parse_int<std::uint64_t>(text).value_or(0); };
  std::uint64_t sum = number(fields[11]) + number(fields[12]);  // utime, stime
  const std::string io = try_read_file("/proc/" + pid + "/io", 8192).value_or("");
  for (const std::string_view key : {"rchar: ", "wchar: "}) {
    const std::size_t at = io.find(key);
    if (at == std::string::npos) continue;
    const std::size_t begin = at + key.size();
    sum += number(std::string_view(io).substr(begin, io.find('\n', begin) - begin));
  }
  return sum;
}

// What all processes of the group have computed, read and written; it changes while something goes on.
std::uint64_t activity(pid_t group) {
  std::uint64_t sum = 0;
  for (const std::string& pid : list_directory("/proc")) {
    if (!parse_int<int>(pid)) continue;
    try {
      const std::vector<std::string> fields = stat_fields(pid);
      if (fields.size() > 12 && fields[2] == std::to_string(group)) sum += counters_of(pid, fields) + 1;
    } catch (const Error&) {
      continue;  // it has ended
    }
  }
  return sum;
}

// Calls `alive` whenever the group has done something since the last look.
class Watch {
 public:
  Watch(int pid_pipe, const std::function<void()>& alive)
      : thread_([this, pid_pipe, &alive](const std::stop_token& stop) {
          pid_t group = 0;
          std::unique_lock lock(mutex_);
          while (!wake_.wait_for(lock, stop, kLook, [&stop] { return stop.stop_requested(); })) {
            if (group == 0 && ::read(pid_pipe, &group, sizeof group) != sizeof group) continue;
            if (has_moved(group)) alive();
          }
        }) {}

 private:
  // What cannot be looked at now (no descriptor is free) is looked at the next time: nobody catches what a
  // thread throws.
  [[nodiscard]] bool has_moved(pid_t group) noexcept {
    try {
      const std::uint64_t now = activity(group);
      return std::exchange(last_, now) != now;
    } catch (const std::exception&) {
      return false;
    }
  }

  std::uint64_t last_ = 0;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

FileLock hold(const std::string& work) {
  ensure_directory(parent_of(work));
  return FileLock::exclusive(work + ".lock");
}

class Program {
 public:
  Program(const Job& job, Surroundings& around)
      : job_(job),
        around_(around),
        name_("pull_" + job.request.method),
        work_(join_path(around.home, "tmp/pulled/" + job.client + "-" +
                                         Sha256::of(job.request.module + '\0' + job.request.method + '\0' +
                                                    job.request.name)
                                             .hex()
                                             .substr(0, 32))),
        lock_(hold(work_)) {}
  ~Program() {
    try {
      remove_tree(work_);
    } catch (const Error&) {
      return;  // the next pull of this source removes it
    }
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  Pulled run() {
    remove_tree(work_);
    ensure_directory(output());
    replace_durably(known_hosts(), known_host());
    const Captured ran = run_program();
    const Log log(around_.home, "do_backup", SystemClock());
    for (const std::string* text : {&ran.out, &ran.err}) {
      if (!text->empty()) log.line(job_.client + " " + name_ + ": " + *text);
    }
    judge(ran);
    Pulled out;
    if (ran.status == kExitPartial) {
      out.skipped = {"unnamed " + percent_encode(name_ + " ended with status 3")};
      out.skipped_count = 1;
    }
    store(out);
    return out;
  }

 private:
  [[nodiscard]] std::string output() const { return work_ + "/data"; }
  [[nodiscard]] std::string temporary() const { return work_ + "/tmp"; }
  [[nodiscard]] std::string known_hosts() const { return work_ + "/known_hosts"; }
  [[nodiscard]] std::string known_host() const {
    const ssh::Address& address = around_.endpoint.address;
    return fmt::format("[{}]:{} {}\n{} {}\n", address.host, address.port, around_.endpoint.host_key,
                       address.host, around_.endpoint.host_key);
  }

  [[nodiscard]] Command command() const {
    const proto::Request& request = job_.request;
    Command out;
    out.argv = {program_path(around_.home, request.method), request.place, output()};
    out.directory = output();
    out.environment = base_environment(temporary());
    const auto tell = [&](std::string_view name, const std::string& value) {
      out.environment.push_back("BACKLINE_" + std::string(name) + "=" + value);
    };
    tell("HOME", around_.home);
    tell("CLIENT", job_.client);
    tell("MODULE", request.module);
    tell("METHOD", request.method);
    tell("PATH", request.name);
    tell("PLACE", request.place);
    tell("OUTPUT", output());
    tell("REQUEST", request.id);
    tell("USER", around_.endpoint.address.user);
    tell("HOST", around_.endpoint.address.host);
    tell("PORT", std::to_string(around_.endpoint.address.port));
    tell("KNOWN_HOSTS", known_hosts());
    tell("IDENTITY", around_.endpoint.identity_file);
    out.environment.push_back("TMPDIR=" + temporary());
    return out;
  }

  [[nodiscard]] Captured run_program() const {
    ensure_directory(temporary());
    std::optional<Landlock> fence;
    if (Landlock::is_available()) {
      LandlockRules rules = system_rules();
      // Names of hosts and certificates; what else lies in /etc is for root alone, or the administrator's.
      for (const char* path : {"/etc", "/run/systemd/resolve", "/dev/zero", "/dev/random"})
        rules.read.emplace_back(path);
      rules.read.push_back(join_path(around_.home, "scripts"));
      rules.read.push_back(around_.endpoint.identity_file);
      rules.read.push_back(known_hosts());
      rules.read_write.push_back(output());
      rules.read_write.push_back(temporary());
      fence.emplace(rules);
    }
    int ends[2] = {-1, -1};
    check_sys(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), [] { return "making a pipe"; });
    const Fd read_end(ends[0]);
    const Fd write_end(ends[1]);
    Command command = this->command();
    command.before_exec = [&fence, pipe = write_end.get()] {
      const pid_t self = ::getpid();
      if (::write(pipe, &self, sizeof self) != sizeof self) return -1;
      if (::prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) return -1;
      return fence ? fence->enforce() : 0;
    };
    const Watch watch(read_end.get(), around_.alive);
    return run_captured(std::move(command), around_.total, kOutputBytes);
  }

  void judge(const Captured& ran) const {
    if (ran.timed_out)
      throw Error(Kind::Cancelled, name_ + " did not end within limits.pull_timeout and was stopped");
    if (ran.status != kExitDone && ran.status != kExitPartial) {
      const std::string said = last_line(ran.err.empty() ? ran.out : ran.err);
      throw Error(Kind::Transient, fmt::format("{} ended with status {}{}", name_, ran.status,
                                               said.empty() ? "" : ": " + said));
    }
    if (list_directory(output()).empty())
      throw Error(Kind::Transient, name_ + " ended well but left nothing in its folder");
  }

  // False when it is gone meanwhile.
  bool count(std::string_view relative, Pulled& out) const {
    struct stat info {};
    if (::lstat((output() + "/" + std::string(relative)).c_str(), &info) < 0) return false;
    if (S_ISDIR(info.st_mode)) {
      ++out.directories;
    } else if (S_ISREG(info.st_mode)) {
      ++out.files;
      out.bytes += static_cast<std::uint64_t>(info.st_size);
    } else if (S_ISLNK(info.st_mode)) {
      ++out.others;
    }
    return true;
  }

  void store(Pulled& out) const {
    const auto look = [&](std::string_view relative) {
      around_.alive();
      around_.poll();
      return count(relative, out);
    };
    out.root = store::store_local_tree(around_.writer, around_.store.chunker(), output(), look);
    out.root.name.clear();
    ++out.directories;
    out.done = {out.files, out.directories, out.bytes, out.bytes, around_.writer.totals().stored_bytes};
  }

  const Job& job_;
  Surroundings& around_;
  std::string name_, work_;
  FileLock lock_;  // as long as it is held, nobody clears the folder away
};

}  // namespace

std::string program_path(const std::string& home, std::string_view method) {
  const std::string path = join_path(home, "scripts/cmds/pull_" + std::string(method));
  return ::access(path.c_str(), X_OK) == 0 && !is_directory(path) ? path : std::string();
}

void clear_pulled(const std::string& home) {
  const std::string all = join_path(home, "tmp/pulled");
  if (!path_exists(all)) return;
  for (const std::string& name : list_directory(all)) {
    const std::string path = join_path(all, name);
    if (!is_directory(path)) continue;
    if (FileLock::try_exclusive(path + ".lock")) remove_tree(path);
  }
}

Pulled pull_by_program(const Job& job, Surroundings& around) { return Program(job, around).run(); }

}  // namespace bk::pull
