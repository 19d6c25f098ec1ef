#include "server/access/init.h"

#include "common/error/error.h"
#include "common/git/repository.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/text/escape.h"
#include "common/time/time.h"
#include "server/access/gitosis_conf.h"
#include "server/access/home.h"
#include "server/access/hooks.h"
#include "server/access/key.h"
#include "server/access/publish.h"
#include "server/access/update.h"

namespace bk::server {
namespace {

constexpr std::string_view kFirstBackline =
    "# Where each client's data comes from; docs/formats/backline-conf.md.\n"
    "#\n"
    "# [client web1]\n"
    "# address = backupclient@web1.example.org\n"
    "# hostkey = ssh-ed25519 AAAA…\n";

std::string first_conf(const std::string& user) {
  return "[gitosis]\n\n[group gitosis-admin]\nmembers = " + user + "\nwritable = gitosis-admin\n";
}

std::string_view only_line(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  if (text.find('\n') != std::string_view::npos)
    throw Error(Kind::Config, "the administrator's key must be one line");
  return text;
}

void first_commit(const std::string& home, const std::string& user, const PublicKey& key) {
  git::Repository repository(admin_repository(home));
  const git::Oid key_blob = repository.write_blob(key.type + " " + key.base64 + " " + user + "\n");
  const git::Oid keydir = repository.write_tree({{user + ".pub", git::kModeFile, key_blob}});
  const git::Oid tree =
      repository.write_tree({{"gitosis.conf", git::kModeFile, repository.write_blob(first_conf(user))},
                             {"backline.conf", git::kModeFile, repository.write_blob(kFirstBackline)},
                             {"keydir", git::kModeTree, keydir}});
  const git::Oid commit =
      repository.write_commit(tree, {}, {"Backline", "backline@localhost", SystemClock().now().seconds},
                              "Automatic creation of gitosis repository.\n");
  if (!repository.set_ref(kAdminRef, commit, std::nullopt))
    throw Error(Kind::Transient, "gitosis-admin.git was changed at the same time; run it again");
  crash_point("access.first_commit");
}

}  // namespace

std::string init_access(const std::string& home, std::string_view key_text, std::string user) {
  const std::string_view line = only_line(key_text);
  const PublicKey key = parse_key_line(line);
  if (user.empty()) {
    const std::vector<std::string> words = split_words(line);
    if (words.size() < 3)
      throw Error(Kind::Config, "the key has no comment to name its user; use --user NAME");
    user = words.back();
  }
  if (!is_user_name(user))
    throw Error(Kind::Config, "Username contains not allowed characters: " + quoted(user));
  ensure_directory(home);
  ensure_directory(repositories_folder(home), 0750);
  ensure_hooks(home);
  ensure_repository(admin_repository(home), hooks_folder(home, "admin"), kAdminRef);
  if (!git::Repository(admin_repository(home)).ref(kAdminRef)) first_commit(home, user, key);
  (void)update_access(home);
  (void)publish_all(home);
  return user;
}

}  // namespace bk::server
