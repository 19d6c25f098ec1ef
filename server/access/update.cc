#include "server/access/update.h"

#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/io/lock.h"
#include "common/io/temporary.h"
#include "common/text/escape.h"
#include "common/time/time.h"
#include "server/access/authorized_keys.h"
#include "server/access/changes.h"
#include "server/access/home.h"
#include "server/access/publish.h"
#include "server/access/sessions.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <sstream>

namespace bk::server {
std::string moment_of_expiry() {
  const CivilTime at = to_utc(SystemClock().now().seconds + 86400);
  return fmt::format("{:04}{:02}{:02}{:02}{:02}{:02}", at.year, at.month, at.day, at.hour, at.minute,
                     at.second);
}

namespace {

std::string conf_file(const git::Repository& repository, const git::TreeEntry& entry,
                      const std::string& shown, std::uint64_t limit_bytes) {
  if (entry.mode != git::kModeFile && entry.mode != 0100755)
    throw Error(Kind::Config, quoted(shown) + ": must be a plain file");
  try {
    return repository.blob(entry.oid, limit_bytes);
  } catch (Error& error) {
    error.add_context(quoted(shown));
    throw;
  }
}

void read_keydir(const git::Repository& repository, const git::Oid& tree, AdminTree& out) {
  const std::vector<git::TreeEntry> entries = repository.tree(tree);
  if (entries.size() > kMaxKeys) throw Error(Kind::Config, "keydir/: too many files");
  std::uint64_t total = 0;
  for (const git::TreeEntry& entry : entries) {
    if (entry.mode == git::kModeTree) {
      out.warnings.push_back("keydir/" + quoted(entry.name) + ": folders in keydir/ are not read");
      continue;
    }
    out.keydir.push_back({entry.name, conf_file(repository, entry, "keydir/" + entry.name, kMaxKeyFile)});
    total += out.keydir.back().bytes.size();
    if (total > 64 * kMaxKeyFile) throw Error(Kind::Config, "keydir/: more than 64 MiB");
  }
}

void write_accepted(const std::string& home, const AdminTree& tree) {
  (void)remove_abandoned_in(parent_of(accepted_file(home, "gitosis.conf")));
  replace_durably(accepted_file(home, "gitosis.conf"), *tree.gitosis_conf);
  crash_point("access.gitosis_conf");
  replace_durably(accepted_file(home, "backline.conf"), tree.backline_conf.value_or(""));
  crash_point("access.backline_conf");
}

std::string ending_file(const std::string& home) { return accepted_file(home, "ending"); }

std::string keys_path(const std::string& home, const Rules& rules) {
  std::string path = rules.conf.authorized_keys_path();
  return path.front() == '/' ? path : home + "/" + path;
}

// Whose sessions are to end is on disk before their keys are gone: after a crash nothing else would know.
void write_authorized_keys(const std::string& home, const Rules& rules, UpdateReport& report) {
  const std::string path = keys_path(home, rules);
  ensure_directory(parent_of(path), 0700);
  const std::string old = try_read_file(path).value_or("");
  const std::string text = render_authorized_keys(old, program_path(home, "bk_access"), home, rules.keys);
  std::set<std::string> users = users_who_lose_keys(old, text);
  for (std::string& user : split_words(try_read_file(ending_file(home)).value_or("")))
    users.insert(std::move(user));
  std::string list;
  for (const std::string& user : users) list += user + "\n";
  if (!users.empty()) replace_durably(ending_file(home), list);
  crash_point("access.ending");
  if (text != old) replace_durably(path, text, 0600);
  crash_point("access.authorized_keys");
  if (users.empty()) return;
  note_key_changes(home, users);
  crash_point("access.key_changes");
  const EndedSessions ended = end_sessions(home, users);
  if (ended.ended > 0)
    report.notices.push_back(fmt::format("{} running session(s) of withdrawn keys ended", ended.ended));
  if (ended.own) report.notices.emplace_back("your own key changed: this session is its last");
  for (const std::string& problem : ended.problems) report.warnings.push_back(problem);
  remove_durably(ending_file(home));
}

std::string tip_file(const std::string& home) { return accepted_file(home, "tip"); }

}  // namespace

AdminTree read_admin_tree(const git::Repository& repository, const git::Oid& commit) {
  AdminTree out;
  for (const git::TreeEntry& entry : repository.tree(repository.commit(commit).tree)) {
    if (entry.name == "gitosis.conf") {
      out.gitosis_conf = conf_file(repository, entry, entry.name, kMaxConfBytes);
    } else if (entry.name == "backline.conf") {
      out.backline_conf = conf_file(repository, entry, entry.name, kMaxConfBytes);
    } else if (entry.name == "keydir" && entry.mode == git::kModeTree) {
      read_keydir(repository, entry.oid, out);
    } else {
      out.warnings.push_back(quoted(entry.name) + " means nothing here and is not read");
    }
  }
  return out;
}

namespace {

void say(const std::string& line) { std::fputs((line + "\n").c_str(), stderr); }

void show_changes(const git::Repository& repository, const git::Oid& before, const Rules& after) {
  Rules old;
  try {
    if (!before.is_zero()) old = check_admin_tree(read_admin_tree(repository, before));
  } catch (const Error& error) {
    return say(std::string("what changes cannot be shown, the rules before are not readable here: ") +
               error.what());
  }
  const std::vector<std::string> changes = describe_changes(old, after);
  if (changes.empty()) return say("nothing changes for anybody");
  for (const std::string& line : changes) say("change: " + line);
}

void check_tip(const git::Repository& repository, const git::Oid& before, const git::Oid& tip) {
  Rules rules;
  try {
    rules = check_admin_tree(read_admin_tree(repository, tip), moment_of_expiry());
  } catch (const Error& error) {
    throw Error(Kind::Refused, std::string("the push was refused, nothing has changed: ") + error.what());
  }
  for (const std::string& warning : rules.warnings) say("warning: " + warning);
  show_changes(repository, before, rules);
}

}  // namespace

void check_admin_push(const std::string& home, std::istream& lines) {
  git::Repository repository(admin_repository(home));
  // What was pushed lies apart until this hook has accepted it.
  if (const char* received = std::getenv("GIT_QUARANTINE_PATH")) repository.add_objects(received);
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string old_tip, new_tip, ref;
    words >> old_tip >> new_tip >> ref;
    const std::optional<git::Oid> before = git::Oid::from_hex(old_tip), tip = git::Oid::from_hex(new_tip);
    if (!before || !tip || ref.empty())
      throw Error(Kind::Protocol, "a hook's line is damaged: " + quoted(line));
    if (ref != kAdminRef)
      throw Error(Kind::Refused, quoted(ref) + ": only the branch master may be pushed to gitosis-admin");
    if (tip->is_zero()) throw Error(Kind::Refused, "the branch master cannot be deleted");
    check_tip(repository, *before, *tip);
  }
}

UpdateReport update_access(const std::string& home) {
  ensure_directory(admin_repository(home) + "/backline");
  const FileLock lock = FileLock::exclusive(accepted_file(home, "lock"));
  const git::Repository repository(admin_repository(home));
  repository.sync();  // git says "pushed" before it is on disk
  crash_point("access.synced");
  const std::optional<git::Oid> tip = repository.ref(kAdminRef);
  if (!tip) throw Error(Kind::Config, "gitosis-admin.git is empty; run bk_access init");
  const AdminTree tree = read_admin_tree(repository, *tip);
  const Rules rules = check_admin_tree(tree);
  write_accepted(home, tree);
  UpdateReport report{rules.warnings, {}};
  write_authorized_keys(home, rules, report);
  replace_durably(tip_file(home), tip->hex() + "\n");
  crash_point("access.tip");
  return report;
}

std::string refresh_access(const std::string& home) {
  try {
    if (!path_exists(admin_repository(home) + "/HEAD")) return {};
    const std::optional<git::Oid> tip = git::Repository(admin_repository(home)).ref(kAdminRef);
    if (!tip) return {};
    if (try_read_file(tip_file(home)) != tip->hex() + "\n") (void)update_access(home);
    const std::vector<std::string> problems = publish_all(home);
    return problems.empty() ? "" : "publishing: " + problems.front();
  } catch (const Error& error) {
    return std::string("gitosis-admin.git: the older rules stay in force: ") + error.what();
  }
}

GitosisConf load_gitosis_conf(const std::string& home) {
  const std::optional<std::string> text = try_read_file(accepted_file(home, "gitosis.conf"));
  if (!text) throw Error(Kind::Config, "no rules in " + quoted(home) + " yet; run bk_access init");
  std::vector<std::string> warnings;
  return GitosisConf::parse(*text, warnings);
}

}  // namespace bk::server
