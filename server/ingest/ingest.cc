#include "server/ingest/ingest.h"

#include "common/error/error.h"
#include "common/git/repository.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/io/lock.h"
#include "common/text/escape.h"
#include "server/access/home.h"
#include "server/access/hooks.h"
#include "server/ingest/batch.h"
#include "server/ingest/check.h"
#include "server/ingest/checkpoint.h"
#include "server/ingest/cursor.h"
#include "server/ingest/push_log.h"
#include "server/ingest/receipt_branch.h"

#include <algorithm>

namespace bk::server {
namespace {

constexpr std::uint64_t kMaxPushLog = 64U << 20U;

bool is_damage(const Error& error) {
  // What a power cut leaves: missing or empty objects, an empty ref file.
  return error.kind() == Kind::Corrupt || error.kind() == Kind::Protocol;
}

std::optional<git::Oid> requests_tip(git::Repository& repository, bool& is_damaged) {
  try {
    return repository.ref(kRequestsRef);
  } catch (const Error&) {
    is_damaged = true;
    return std::nullopt;
  }
}

// From behind the cursor to the tip, oldest first; all when the cursor is not an ancestor.  Every commit and
// every blob was read: throws Corrupt when one cannot be.
std::vector<git::Oid> new_commits(const git::Repository& repository, const git::Oid& tip,
                                  const std::optional<git::Oid>& cursor) {
  std::vector<git::Oid> out;
  for (std::optional<git::Oid> at = tip; at && at != cursor;) {
    const git::Commit commit = repository.commit(*at);
    for (const git::TreeEntry& entry : repository.tree(commit.tree)) {
      if (entry.mode == git::kModeFile && !repository.is_readable(entry.oid))
        throw Error(Kind::Corrupt, "blob " + entry.oid.hex() + " cannot be read");
    }
    out.push_back(*at);
    at = commit.parents.empty() ? std::nullopt : std::optional(commit.parents.front());
  }
  std::reverse(out.begin(), out.end());
  return out;
}

// git reports "pushed" before it is on disk; what was lost is not acknowledged, so the client pushes again.
void set_back(git::Repository& repository, const std::optional<git::Oid>& cursor, IngestReport& report,
              const std::string& why) {
  report.set_back = true;
  report.notices.push_back(repository.path() + ": the tip of requests cannot be read (" + why +
                           "); set back, the client pushes again");
  // A ref that is itself damaged cannot be moved by libgit2.
  remove_durably(repository.path() + "/" + kRequestsRef);
  if (cursor && repository.is_readable(*cursor)) {
    repository.force_ref(kRequestsRef, *cursor);
  } else {
    repository.delete_ref(kRequestsRef);
  }
  crash_point("ingest.set_back");
  (void)repository.remove_broken_objects();
}

void read_commits(git::Repository& repository, Batch& batch, const std::vector<git::Oid>& commits) {
  const std::map<git::Oid, std::string> pushers =
      parse_push_log(try_read_file(repository.path() + "/logs/" + kRequestsRef, kMaxPushLog).value_or(""));
  // A push's user stands at its tip; walking backwards, each commit belongs to the next tip above it.
  std::vector<std::string> users(commits.size());
  std::string user;
  for (std::size_t i = commits.size(); i-- > 0;) {
    if (const auto at = pushers.find(commits[i]); at != pushers.end()) user = at->second;
    users[i] = user;
  }
  for (std::size_t i = 0; i < commits.size(); ++i) batch.read(commits[i], users[i]);
  batch.flush();
}

}  // namespace

IngestReport ingest(const std::string& home, const std::string& path, const Clock& clock) {
  IngestReport report;
  const std::string client = client_of(path);
  ensure_directory(path + "/backline", 0750);
  const FileLock lock = FileLock::exclusive(path + "/backline/lock");
  // Only we write this branch, under the lock just taken: a lock file of git's kind is a dead one.
  remove_durably(path + "/" + kReceiptsRef + ".lock");
  if (const std::optional<FileLock> alone = FileLock::try_exclusive(path + "/backline/in-use"))
    clear_leftovers(path);
  git::Repository repository(path);
  const std::optional<git::Oid> cursor = read_cursor(path);
  bool is_damaged = false;
  const std::optional<git::Oid> tip = requests_tip(repository, is_damaged);
  if (is_damaged) {
    set_back(repository, cursor, report, "the ref is damaged");
    return report;
  }
  if (!tip) return report;
  if (tip != cursor) {
    repository.sync();
    crash_point("ingest.synced");
    std::vector<git::Oid> commits;
    try {
      commits = new_commits(repository, *tip, cursor);
    } catch (const Error& error) {
      if (!is_damage(error)) throw;
      set_back(repository, cursor, report, error.what());
      return report;
    }
    Batch batch(home, client, repository, clock, report);
    read_commits(repository, batch, commits);
    report.commits = commits.size();
  }
  (void)keep_small(path, *tip, clock.now().seconds);
  return report;
}

IngestReport ingest_all(const std::string& home, const Clock& clock, std::vector<std::string>& problems) {
  IngestReport sum;
  const std::string folder = repositories_folder(home);
  if (!is_directory(folder)) return sum;
  for (const std::string& name : list_directory(folder)) {
    if (!name.ends_with(".git") || name == std::string(kAdminName) + ".git") continue;
    try {
      const IngestReport one = ingest(home, folder + "/" + name, clock);
      sum.commits += one.commits;
      sum.added += one.added;
      sum.repeated += one.repeated;
      sum.refused += one.refused;
      sum.set_back = sum.set_back || one.set_back;
      sum.notices.insert(sum.notices.end(), one.notices.begin(), one.notices.end());
    } catch (const std::exception& error) {  // also what a library throws: the others go on
      problems.push_back("repositories/" + name + ": " + error.what());
    }
  }
  return sum;
}

}  // namespace bk::server
