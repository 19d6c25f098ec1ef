#include "server/access/hooks.h"

#include "common/error/error.h"
#include "common/git/repository.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/io/temporary.h"
#include "common/text/escape.h"
#include "server/access/home.h"

#include <unistd.h>

#include <array>

namespace bk::server {
namespace {

void ensure_link(const std::string& link, const std::string& target) {
  std::array<char, 4096> now{};
  const ssize_t length = ::readlink(link.c_str(), now.data(), now.size());
  if (length > 0 && std::string_view(now.data(), static_cast<std::size_t>(length)) == target) return;
  const std::string temporary = link + ".tmp" + std::to_string(::getpid());
  (void)::unlink(temporary.c_str());
  check_sys(::symlink(target.c_str(), temporary.c_str()), [&] { return "making hook " + quoted(link); });
  rename_durably(temporary, link);
}

}  // namespace

std::vector<std::pair<std::string, std::string>> git_settings(const std::string& hooks) {
  return {{"core.hooksPath", hooks},
          {"core.fsync", "all"},
          {"core.fsyncMethod", "batch"},
          {"core.logAllRefUpdates", "true"},  // who pushed what: ingest reads it
          {"core.bigFileThreshold", "1m"},    // larger objects are never held in memory
          {"core.sharedRepository", "false"},
          {"gc.auto", "0"},
          {"receive.autogc", "false"},
          {"receive.denyNonFastForwards", "true"},
          {"receive.denyDeletes", "true"},
          {"receive.fsckObjects", "true"},
          {"receive.maxInputSize", "16777216"},
          {"receive.advertisePushOptions", "false"},
          {"uploadpack.allowFilter", "false"}};
}

void ensure_hooks(const std::string& home) {
  struct Hook {
    const char *kind, *name, *program;
  };
  constexpr std::array<Hook, 4> kHooks{{{"admin", "pre-receive", "bk_access"},
                                        {"admin", "post-receive", "bk_access"},
                                        {"client", "pre-receive", "ingest_requests"},
                                        {"client", "post-receive", "ingest_requests"}}};
  for (const Hook& hook : kHooks) {
    ensure_directory(hooks_folder(home, hook.kind), 0755);
    ensure_link(hooks_folder(home, hook.kind) + "/" + hook.name, program_path(home, hook.program));
  }
  ensure_directory(hooks_folder(home, "none"), 0755);
}

void ensure_repository(const std::string& path, const std::string& hooks, const std::string& branch) {
  if (path_exists(path + "/backline/made")) return;
  for (std::string above = parent_of(path); above.size() > 1; above = parent_of(above)) {
    if (above.ends_with(".git") && path_exists(above + "/HEAD"))
      throw Error(Kind::Refused, "Intermediate repository path contains component ends with '.git'");
  }
  ensure_directory(parent_of(path), 0750);
  git::Repository::init(path, branch);
  git::Repository repository(path);
  for (const auto& [key, value] : git_settings(hooks)) repository.set_config(key, value);
  ensure_directory(path + "/backline", 0750);
  repository.sync();
  crash_point("access.repository");
  replace_durably(path + "/backline/made", "1\n");
}

void clear_leftovers(const std::string& path) {
  (void)remove_abandoned_in(path + "/backline");
  for (const char* lock : {"refs/heads/requests.lock", "refs/heads/receipts.lock", "refs/heads/master.lock",
                           "packed-refs.lock", "packed-refs.new", "HEAD.lock", "config.lock"})
    remove_durably(path + "/" + lock);
  const std::string objects = path + "/objects";
  for (const std::string& name : list_directory(objects)) {
    const std::string inner = objects + "/" + name;
    if (name.starts_with("tmp_objdir-") || name.starts_with("incoming-")) {
      remove_tree(inner);
    } else if (name.size() == 2 || name == "pack") {
      for (const std::string& file : list_directory(inner)) {
        if (file.starts_with("tmp_") || file.starts_with(".tmp")) remove_durably(inner + "/" + file);
      }
    }
  }
}

}  // namespace bk::server
