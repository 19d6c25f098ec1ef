#include "server/access/client_command.h"

#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/text/escape.h"
#include "common/time/time.h"
#include "server/access/changes.h"
#include "server/access/home.h"
#include "server/access/publish.h"
#include "server/access/update.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace bk::server {
namespace {

constexpr int kAttempts = 5;

// Files of another owner would block the next push.
void require_owner(const std::string& home) {
  struct stat status {};
  if (::stat(admin_repository(home).c_str(), &status) != 0)
    throw Error(Kind::Config, "no gitosis-admin in " + quoted(home) + " yet; run bk_access init");
  if (status.st_uid != ::geteuid())
    throw Error(
        Kind::Refused,
        "gitosis-admin belongs to another user: run this as the server's own (runuser -u backupsrv --)");
}

Rules judge(const AdminTree& tree) { return check_admin_tree(tree, moment_of_expiry()); }

// The new top folder: what we do not know stays in it.
git::Oid write_tree(git::Repository& repository, const git::Oid& old_tree, const AdminTree& tree) {
  std::vector<git::TreeEntry> keydir, top;
  for (const git::TreeEntry& entry : repository.tree(old_tree)) {
    if (entry.name == "keydir" && entry.mode == git::kModeTree) {
      for (const git::TreeEntry& inner : repository.tree(entry.oid)) {
        if (inner.mode == git::kModeTree) keydir.push_back(inner);
      }
    } else if (entry.name != "gitosis.conf" && entry.name != "backline.conf") {
      top.push_back(entry);
    }
  }
  for (const KeyFile& file : tree.keydir)
    keydir.push_back({file.name, git::kModeFile, repository.write_blob(file.bytes)});
  top.push_back({"gitosis.conf", git::kModeFile, repository.write_blob(tree.gitosis_conf.value_or(""))});
  top.push_back({"backline.conf", git::kModeFile, repository.write_blob(tree.backline_conf.value_or(""))});
  if (!keydir.empty()) top.push_back({"keydir", git::kModeTree, repository.write_tree(keydir)});
  return repository.write_tree(top);
}

bool is_same(const AdminTree& a, const AdminTree& b) {
  return a.gitosis_conf == b.gitosis_conf && a.backline_conf.value_or("") == b.backline_conf.value_or("") &&
         std::equal(
             a.keydir.begin(), a.keydir.end(), b.keydir.begin(), b.keydir.end(),
             [](const KeyFile& x, const KeyFile& y) { return x.name == y.name && x.bytes == y.bytes; });
}

// One attempt; false: the branch moved meanwhile.
bool commit_edit(git::Repository& repository, const std::string& message,
                 const std::function<Edited(const AdminTree&)>& edit, std::vector<std::string>& lines) {
  const SystemClock clock;
  const std::optional<git::Oid> tip = repository.ref(kAdminRef);
  if (!tip) throw Error(Kind::Config, "gitosis-admin.git is empty; run bk_access init");
  const AdminTree before = read_admin_tree(repository, *tip);
  const Edited edited = edit(before);
  lines = edited.notes;
  if (is_same(before, edited.tree)) {
    lines.insert(lines.begin(), "nothing to change");
    return true;
  }
  const Rules after = judge(edited.tree);
  const git::Oid commit =
      repository.write_commit(write_tree(repository, repository.commit(*tip).tree, edited.tree), {*tip},
                              {"Backline", "backline@localhost", clock.now().seconds}, message + "\n");
  crash_point("access.client_commit");
  if (!repository.set_ref(kAdminRef, commit, tip)) return false;
  crash_point("access.client_ref");
  std::vector<std::string> changes = describe_changes(check_admin_tree(before), after);
  lines.insert(lines.begin(), changes.begin(), changes.end());
  return true;
}

}  // namespace

std::vector<std::string> edit_clients(const std::string& home, const std::string& message,
                                      const std::function<Edited(const AdminTree&)>& edit) {
  require_owner(home);
  git::Repository repository(admin_repository(home));
  std::vector<std::string> lines;
  for (int attempt = 0; !commit_edit(repository, message, edit, lines); ++attempt) {
    if (attempt == kAttempts)
      throw Error(Kind::Transient, "gitosis-admin.git is changed all the time; run it again");
  }
  const UpdateReport report = update_access(home);
  for (const std::string& warning : report.warnings) lines.push_back("warning: " + warning);
  lines.insert(lines.end(), report.notices.begin(), report.notices.end());
  for (const std::string& problem : publish_all(home)) lines.push_back("warning: " + problem);
  return lines;
}

}  // namespace bk::server
