#include "server/pull/git_command.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace bk::pull {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kMaxOutput = 128U << 20U;  // about 1.8 million refs (A5)
constexpr rlim_t kMaxMemory = 8ULL << 30U;       // a bomb ends git and not the machine

// A history with old clerical faults is backed up like any other; what would be structural damage is refused.
constexpr const char* kHarmless[] = {
    "badDate",
    "badDateOverflow",
    "badEmail",
    "badName",
    "badTimezone",
    "badFilemode",
    "duplicateEntries",
    "emptyName",
    "fullPathname",
    "hasDot",
    "hasDotdot",
    "hasDotgit",
    "missingAuthor",
    "missingCommitter",
    "missingEmail",
    "multipleAuthors",
    "missingNameBeforeEmail",
    "missingSpaceBeforeDate",
    "missingSpaceBeforeEmail",
    "missingTaggerEntry",
    "badTagName",
    "nulInCommit",
    "nullSha1",
    "treeNotSorted",
    "zeroPaddedDate",
    "zeroPaddedFilemode",
    "gitmodulesBlob",
    "gitmodulesLarge",
    "gitmodulesMissing",
    "gitmodulesName",
    "gitmodulesParse",
    "gitmodulesPath",
    "gitmodulesSymlink",
    "gitmodulesUpdate",
    "gitmodulesUrl",
};

std::vector<std::string> fixed_arguments(const std::string& mirror) {
  std::vector<std::string> out{"git", "--git-dir=" + mirror, "--no-replace-objects"};
  const auto set = [&](const std::string& value) {
    out.emplace_back("-c");
    out.push_back(value);
  };
  for (const char* value : {"core.hooksPath=/dev/null",
                            "core.fsmonitor=false",
                            "core.attributesFile=/dev/null",
                            "core.fsync=objects",
                            "core.logAllRefUpdates=false",
                            "core.bigFileThreshold=64m",
                            "core.packedGitLimit=1g",
                            "core.packedGitWindowSize=256m",
                            "gc.auto=0",
                            "maintenance.auto=false",
                            "protocol.allow=never",
                            "protocol.ssh.allow=always",
                            "protocol.file.allow=never",
                            "protocol.version=0",
                            "fetch.fsckObjects=true",
                            "fetch.unpackLimit=1",
                            "fetch.writeCommitGraph=false",
                            "fetch.recurseSubmodules=false",
                            "transfer.credentialsInUrl=die",
                            "safe.bareRepository=explicit",
                            "pack.threads=1",
                            "pack.writeReverseIndex=false",
                            "repack.writeBitmaps=false",
                            "advice.defaultBranchName=false"})
    set(value);
  for (const char* fault : kHarmless) set(std::string("fetch.fsck.") + fault + "=ignore");
  return out;
}

// Calls `alive` while git works, for do_backup's idle limit; the line itself has its own in bk_ssh.
class Pulse {
 public:
  explicit Pulse(const std::function<void()>& alive)
      : thread_([this, &alive] {
          std::unique_lock lock(mutex_);
          while (!wake_.wait_for(lock, std::chrono::seconds(1), [this] { return over_; })) alive();
        }) {}
  ~Pulse() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }
  Pulse(const Pulse&) = delete;
  Pulse& operator=(const Pulse&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool over_ = false;
  std::thread thread_;
};

std::string first_words(const Captured& result) {
  std::string text = result.err.substr(0, 2000);
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ';');
  return text.empty() ? "status " + std::to_string(result.status) : text;
}

std::string name_of(const std::vector<std::string>& arguments) {
  return "git " + (arguments.empty() ? std::string() : arguments.front());
}

}  // namespace

GitCommand::GitCommand(std::string mirror, milliseconds deadline, std::function<void()> alive)
    : mirror_(std::move(mirror)), end_(steady_clock::now() + deadline), alive_(std::move(alive)) {}

Command GitCommand::command(const std::vector<std::string>& arguments) const {
  Command out;
  out.argv = fixed_arguments(mirror_);
  out.argv.insert(out.argv.end(), arguments.begin(), arguments.end());
  out.environment = base_environment("/nonexistent");
  for (const char* variable : {"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_ATTR_NOSYSTEM=1",
                               "GIT_TERMINAL_PROMPT=0", "GIT_ALLOW_PROTOCOL=ssh", "GIT_NO_LAZY_FETCH=1",
                               "GIT_NO_REPLACE_OBJECTS=1", "GIT_ASKPASS=/bin/false"})
    out.environment.emplace_back(variable);
  out.before_exec = [] {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    const rlimit limit{kMaxMemory, kMaxMemory};  // sanitizers reserve terabytes of addresses
    if (::setrlimit(RLIMIT_AS, &limit) < 0) return 1;
#endif
    return ::prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ? 1 : 0;
  };
  return out;
}

Captured GitCommand::run_command(Command command, std::string_view input) const {
  const auto left = std::chrono::duration_cast<milliseconds>(end_ - steady_clock::now());
  const Pulse pulse(alive_);
  Captured result = run_captured(std::move(command), std::max(left, milliseconds(1)), kMaxOutput, input);
  if (result.timed_out)
    throw Error(Kind::Cancelled,
                "git did not end within limits.pull_timeout; nothing is kept of an unfinished fetch, so a "
                "longer limit is needed");
  if (result.out.size() >= kMaxOutput) throw Error(Kind::Protocol, "the repository has too many refs");
  return result;
}

Captured GitCommand::run(const std::vector<std::string>& arguments, std::string_view input) const {
  return run_command(command(arguments), input);
}

std::string GitCommand::check(const std::vector<std::string>& arguments, std::string_view input) const {
  Captured result = run(arguments, input);
  if (result.status != 0)
    throw Error(Kind::Corrupt, name_of(arguments) + " in " + quoted(mirror_) + ": " + first_words(result));
  return std::move(result.out);
}

std::string GitCommand::remote(const std::vector<std::string>& arguments, const BridgeOrder& order,
                               const std::string& programs) const {
  const BridgeFiles files(order);
  Command with_line = command(arguments);
  with_line.environment.push_back("GIT_SSH=" + join_path(programs, "bk_ssh"));
  with_line.environment.emplace_back("GIT_SSH_VARIANT=simple");
  for (std::string& variable : files.environment()) with_line.environment.push_back(std::move(variable));
  with_line.before_exec = [&files, limit = with_line.before_exec] {
    const int refused = limit();
    return refused != 0 ? refused : files.share();
  };
  Captured result = run_command(std::move(with_line), {});
  if (result.status == 0) return std::move(result.out);
  if (std::optional<Error> why = files.failure()) throw *why;
  throw Error(Kind::Protocol, name_of(arguments) + " from the client: " + first_words(result));
}

void GitCommand::init() const {
  ensure_directory(parent_of(mirror_));
  const std::string making = mirror_ + ".new";
  remove_tree(making);
  GitCommand maker(*this);
  maker.mirror_ = making;
  (void)maker.check({"init", "-q", "--bare", "--template=", "--initial-branch=main", making});
  ensure_directory(making + "/objects/info");
  ensure_directory(making + "/objects/pack");
  rename_durably(making, mirror_);
}

}  // namespace bk::pull
