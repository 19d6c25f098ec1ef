// The spool: where a cmd puts what it dumps, so that the server pulls it as a tree.
//
//   <home>/spool/<server>/<module>/<name part>/     one slot for each source, private (0700)
//       data/       the last whole dump: the place that a request names
//       new/        a dump in the making; nobody ever pulls it
//       merging/    between the two; nobody ever pulls it
//       lock        held while a cmd works on the slot
//
// A slot stays between runs: files that a new dump does not change keep inode and ctime, so the agent does
// not read them again.  No pull sees a mix: while a request in progress names the slot, its cmd does not run,
// and another server has its own slot.  What no request has used for keep_spool, send_request removes.
//
//   Spool spool(run);
//   run_to_file(…, join_path(spool.folder(), "shop.sql"));     whatever the module dumps, checked
//   report_ready(run, {"rsync", std::nullopt, spool.commit()}, {}, clock);
#pragma once

#include "client/modules/ready.h"
#include "common/io/lock.h"

#include <set>
#include <string>
#include <string_view>

namespace bk::client {

class Spool {
 public:
  // Locks the slot of this run's source and makes an empty new/.  Sets this process's umask to 077.  Throws
  // Transient when another cmd works on it, Io.
  explicit Spool(const Run& run);
  // new/ is gone when commit() did not come.
  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  // new/: write the whole dump below it.  Folders that a tree should have are the cmd's to make.
  [[nodiscard]] const std::string& folder() const { return fresh_; }
  // The last whole dump, to compare with; empty when there is none.  Not to be changed.  After a kill in
  // commit() each file is of the last dump or of the one before it.
  [[nodiscard]] std::string previous() const;
  // What the last dump has at `relative` (a file, or a folder with all in it) is right as it is and need not
  // be written again.  An entry that new/ has, too, wins.
  void keep(const std::string& relative);

  enum class Times { Ignore, Matter };  // see MergeRules::times
  // The new dump becomes data/, durably; returns that path, the place for add_queue.  The cmd has checked it.
  // Throws Io; then there is no data/ until a later run.
  [[nodiscard]] std::string commit(Times times = Times::Ignore);

 private:
  [[nodiscard]] bool stays(std::string_view relative) const;

  FileLock hold_;  // as hold_archives: nobody clears away meanwhile
  std::string slot_, fresh_;
  std::optional<FileLock> lock_;
  std::set<std::string> kept_;
  bool committed_ = false;
};

}  // namespace bk::client
