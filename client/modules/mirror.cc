#include "client/modules/mirror.h"

#include "client/queue/queue.h"
#include "client/request/spool_place.h"
#include "common/digest/sha256.h"
#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <sys/stat.h>
#include <unistd.h>

namespace bk::client {

Mirror::Mirror(const Run& run)
    : hold_(hold_archives(run.home)),
      slot_(spool_slot(run.home, run.server, run.module, run.name)),
      folder_(join_path(slot_, "merging")) {
  (void)::umask(077);
  ensure_directory(slot_);
  lock_ = FileLock::try_exclusive(join_path(slot_, "lock"));
  if (!lock_)
    throw Error(Kind::Transient,
                "another cmd is preparing " + run.module + " " + quoted(run.name) + "; try again later");
  ensure_directory(join_path(slot_, "partial"));
  const std::string data = join_path(slot_, "data");
  was_cut_ = path_exists(folder_);
  if (was_cut_) {
    remove_tree(data);
  } else if (is_directory(data)) {
    rename_durably(data, folder_);
  } else {
    ensure_directory(folder_);
  }
  crash_point("mirror.merging");
  root_ = open_directory(slot_);
}

std::string Mirror::partial(const std::string& what) const {
  return join_path(join_path(slot_, "partial"), Sha256::of(what).hex().substr(0, 32));
}

void Mirror::sync() const {
  check_sys(::syncfs(root_.get()), [&] { return "writing " + quoted(slot_) + " to disk"; });
}

std::string Mirror::commit() {
  sync();
  const std::string data = join_path(slot_, "data");
  crash_point("mirror.synced");
  rename_durably(folder_, data);
  remove_tree(join_path(slot_, "partial"));
  crash_point("mirror.data");
  return data;
}

void put_in_place(const std::string& from, const std::string& to) {
  if (::unlink(to.c_str()) != 0 && errno != ENOENT) throw sys_error(errno, "replacing " + quoted(to));
  check_sys(::link(from.c_str(), to.c_str()), [&] { return "putting a file at " + quoted(to); });
  check_sys(::unlink(from.c_str()), [&] { return "removing " + quoted(from); });
}

void remove_with_parents(const std::string& path, const std::string& root) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT && errno != ENOTDIR)
    throw sys_error(errno, "removing " + quoted(path));
  for (std::string folder = parent_of(path); folder.size() > root.size(); folder = parent_of(folder)) {
    if (::rmdir(folder.c_str()) == 0) continue;
    if (errno == ENOTEMPTY || errno == EEXIST) return;
    if (errno != ENOENT && errno != ENOTDIR) throw sys_error(errno, "removing " + quoted(folder));
  }
}

}  // namespace bk::client
