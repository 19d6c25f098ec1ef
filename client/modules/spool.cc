#include "client/modules/spool.h"

#include "client/queue/queue.h"
#include "client/request/spool_place.h"
#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/io/merge_tree.h"
#include "common/text/escape.h"

#include <sys/stat.h>

namespace bk::client {

Spool::Spool(const Run& run)
    : hold_(hold_archives(run.home)), slot_(spool_slot(run.home, run.server, run.module, run.name)) {
  (void)::umask(077);
  ensure_directory(slot_);
  lock_ = FileLock::try_exclusive(join_path(slot_, "lock"));
  if (!lock_)
    throw Error(Kind::Transient,
                "another cmd is preparing " + run.module + " " + quoted(run.name) + "; try again later");
  fresh_ = join_path(slot_, "new");
  remove_tree(fresh_);
  // A merge that was cut leaves a mix: good to compare with, and not to pull.
  const std::string merging = join_path(slot_, "merging");
  if (path_exists(merging)) remove_tree(join_path(slot_, "data"));
  ensure_directory(fresh_);
}

Spool::~Spool() {
  if (committed_) return;
  try {
    remove_tree(fresh_);
  } catch (const Error&) {  // the next run, or who clears away, removes it
  }
}

std::string Spool::previous() const {
  for (const char* name : {"data", "merging"}) {
    const std::string path = join_path(slot_, name);
    if (is_directory(path)) return path;
  }
  return {};
}

void Spool::keep(const std::string& relative) { kept_.insert(relative); }

bool Spool::stays(std::string_view relative) const {
  std::string at(relative);
  for (;;) {
    if (kept_.contains(at)) return true;
    const std::size_t slash = at.rfind('/');
    if (slash == std::string::npos) return false;
    at.resize(slash);
  }
}

std::string Spool::commit(Times times) {
  const std::string data = join_path(slot_, "data");
  const std::string merging = join_path(slot_, "merging");
  if (is_directory(data)) {
    rename_durably(data, merging);
  } else {
    ensure_directory(merging);
  }
  crash_point("spool.merging");
  merge_tree(fresh_, merging,
             {[this](std::string_view relative) { return stays(relative); }, times == Times::Matter});
  crash_point("spool.merged");
  rename_durably(merging, data);
  committed_ = true;
  crash_point("spool.data");
  return data;
}

}  // namespace bk::client
