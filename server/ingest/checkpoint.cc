#include "server/ingest/checkpoint.h"

#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/io/lock.h"
#include "common/process/process.h"
#include "common/text/escape.h"
#include "server/access/hooks.h"
#include "server/ingest/cursor.h"
#include "server/ingest/receipt_branch.h"

namespace bk::server {
namespace {

constexpr std::size_t kManyLoose = 2048;
constexpr std::size_t kManyPacks = 20;

// At most `most` + 1.
std::size_t length_of(const git::Repository& repository, std::optional<git::Oid> at, std::size_t most) {
  std::size_t count = 0;
  while (at && count <= most) {
    const git::Commit commit = repository.commit(*at);
    at = commit.parents.empty() ? std::nullopt : std::optional(commit.parents.front());
    ++count;
  }
  return count;
}

void run_git(const std::string& path, std::vector<std::string> words) {
  Command command;
  command.argv = {"git", "-c", "core.fsync=all", "-c", "gc.auto=0"};
  command.argv.insert(command.argv.end(), words.begin(), words.end());
  command.environment = base_environment("/");
  for (const char* variable : {"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_DIR=."})
    command.environment.emplace_back(variable);
  command.directory = path;
  const Captured result = run_captured(command, std::chrono::minutes(10));
  if (result.timed_out || result.status != 0)
    throw Error(Kind::Io, "git " + words.back() + " in " + quoted(path) + ": " +
                              (result.timed_out ? "took too long" : quoted(result.err.substr(0, 300))));
}

// What is not reachable goes with it: nobody reads or pushes, the caller made sure.
void pack(const std::string& path) {
  run_git(path, {"-c", "pack.threads=1", "repack", "-a", "-d", "-q", "--no-write-bitmap-index"});
  run_git(path, {"prune", "--expire=now"});
  crash_point("ingest.packed");
}

git::Oid cut(git::Repository& repository, ReceiptBranch& receipts, const git::Oid& tip,
             std::int64_t seconds) {
  const git::Oid commit = repository.write_commit(
      repository.write_tree({}), {}, {"Backline", "backline@localhost", seconds}, "checkpoint\n");
  if (!repository.set_ref(kRequestsRef, commit, tip)) return tip;  // a push came first: next time
  crash_point("ingest.checkpoint_requests");
  write_cursor(repository.path(), commit);  // before this, an unknown cursor: everything, which is nothing
  receipts.restart(seconds);
  crash_point("ingest.checkpoint_receipts");
  // Logs of refs keep the old commits alive, and who pushed them is recorded in TODO.
  for (const char* ref : {kRequestsRef, kReceiptsRef}) remove_durably(repository.path() + "/logs/" + ref);
  return commit;
}

}  // namespace

git::Oid keep_small(const std::string& path, const git::Oid& tip, std::int64_t seconds) {
  const std::optional<FileLock> alone = FileLock::try_exclusive(path + "/backline/in-use");
  if (!alone) return tip;
  clear_leftovers(path);
  git::Oid now = tip;
  bool is_many = false;
  {
    git::Repository repository(path);
    ReceiptBranch receipts(repository);
    const std::size_t length = std::max(length_of(repository, tip, kVeryLongBranch),
                                        length_of(repository, receipts.tip(), kVeryLongBranch));
    const bool is_long = length > kVeryLongBranch || (length > kLongBranch && receipts.empty());
    if (is_long) now = cut(repository, receipts, tip, seconds);
    is_many = is_long || repository.loose_objects() > kManyLoose || repository.packs() > kManyPacks;
  }
  if (is_many) pack(path);
  return now;
}

}  // namespace bk::server
