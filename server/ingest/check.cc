#include "server/ingest/check.h"

#include "common/error/error.h"
#include "common/git/repository.h"
#include "common/io/file.h"
#include "common/path/names.h"
#include "common/text/escape.h"
#include "proto/request/request.h"
#include "server/access/client_rules.h"
#include "server/ingest/receipt_branch.h"

#include <cstdlib>
#include <sstream>

namespace bk::server {
namespace {

// More commits than any client makes, and few enough to look at: a push is at most 16 MiB.
constexpr std::size_t kMaxCommits = 100000;
constexpr std::size_t kMaxEntries = 20000;
constexpr std::uint64_t kMaxPush = 16U << 20U;

[[noreturn]] void refuse(const std::string& reason) { throw Error(Kind::Refused, reason); }

void check_entry(const git::Repository& repository, const git::TreeEntry& entry, std::uint64_t& total) {
  const std::string shown = quoted(entry.name.substr(0, 300));
  if (entry.mode != git::kModeFile) refuse(shown + ": only plain files of mode 100644 may be pushed");
  const std::optional<proto::StateName> name = proto::parse_state_name(entry.name);
  if (!name || name->state != "RQ") refuse(shown + " is no request's name (RQ<module>:<name>)");
  const std::uint64_t bytes = repository.object_bytes(entry.oid);
  if (bytes > proto::kMaxRequestBytes)
    refuse(shown + ": larger than " + std::to_string(proto::kMaxRequestBytes) + " bytes");
  total += bytes;
  if (total > kMaxPush) refuse("more than 16 MiB of requests in one push");
}

void check_commits(const git::Repository& repository, git::Oid at, const std::optional<git::Oid>& old_tip) {
  std::uint64_t total = 0;
  for (std::size_t count = 0; at != old_tip; ++count) {
    if (count == kMaxCommits) refuse("more than " + std::to_string(kMaxCommits) + " new commits");
    const git::Commit commit = repository.commit(at);
    if (commit.parents.size() > 1) refuse("commit " + at.hex() + " is a merge");
    const std::vector<git::TreeEntry> entries = repository.tree(commit.tree);
    if (entries.size() > kMaxEntries)
      refuse("more than " + std::to_string(kMaxEntries) + " requests in one commit");
    for (const git::TreeEntry& entry : entries) check_entry(repository, entry, total);
    // Not reaching the old tip is no fast-forward: git itself says so, after this hook.
    if (commit.parents.empty()) return;
    at = commit.parents.front();
  }
}

}  // namespace

std::string client_of(const std::string& repository) {
  std::string name = base_name(repository);
  if (!name.ends_with(".git") || !is_safe_name(name.substr(0, name.size() - 4)))
    throw Error(Kind::Config, quoted(repository) + " is no control repository (<client>.git)");
  return name.substr(0, name.size() - 4);
}

void check_client_push(const std::string& home, const std::string& repository_path, const std::string& user,
                       std::istream& lines) {
  const std::string client = client_of(repository_path);
  if (!user.empty() && !load_backline_conf(home).may_ask(user, client))
    refuse("user " + quoted(user) + " may not ask for client " + quoted(client) + " ([client " + client +
           "] users in backline.conf)");
  git::Repository repository(repository_path);
  if (const char* received = std::getenv("GIT_QUARANTINE_PATH")) repository.add_objects(received);
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string old_text, new_text, ref;
    words >> old_text >> new_text >> ref;
    const std::optional<git::Oid> old_tip = git::Oid::from_hex(old_text);
    const std::optional<git::Oid> new_tip = git::Oid::from_hex(new_text);
    if (!old_tip || !new_tip || ref.empty())
      throw Error(Kind::Protocol, "a hook's line is damaged: " + quoted(line));
    if (ref != kRequestsRef) refuse(quoted(ref) + ": a client may push " + kRequestsRef + " only");
    if (new_tip->is_zero()) refuse(std::string(kRequestsRef) + " cannot be deleted");
    check_commits(repository, *new_tip, old_tip->is_zero() ? std::nullopt : old_tip);
  }
}

}  // namespace bk::server
