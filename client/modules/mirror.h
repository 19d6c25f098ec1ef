// A slot of the spool that is changed in place: for sources too large to be written anew by each run.
//
//   <home>/spool/<server>/<module>/<name part>/     see spool.h
//       data/        the last whole state: the place that a request names
//       merging/     data/ while a cmd works on it; nobody ever pulls it
//       partial/     what was fetched in part, to go on with
//       state.db     what the files are, as far as they are whole and durable
//       lock
//
// A run that is cut leaves merging/, and the next one goes on with it.
#pragma once

#include "client/modules/ready.h"
#include "common/io/fd.h"
#include "common/io/lock.h"

#include <optional>
#include <string>

namespace bk::client {

class Mirror {
 public:
  // Locks the slot; data/ becomes merging/.  Sets this process's umask to 077.  Throws Transient when another
  // cmd works on it, Io.
  explicit Mirror(const Run& run);
  // merging/: where the tree is changed.
  [[nodiscard]] const std::string& folder() const { return folder_; }
  [[nodiscard]] const std::string& slot() const { return slot_; }
  // Where a content of this name is fetched to; below partial/, which exists.
  [[nodiscard]] std::string partial(const std::string& what) const;
  // The last run did not come to its end: what state.db says must be compared with the files.
  [[nodiscard]] bool was_cut() const { return was_cut_; }
  // What was written to the slot's file system is durable when it returns.
  void sync() const;
  // merging/ becomes data/, durably; returns that path, the place for add_queue.
  [[nodiscard]] std::string commit();

 private:
  FileLock hold_;  // nobody clears away meanwhile
  std::string slot_, folder_;
  std::optional<FileLock> lock_;
  Fd root_;
  bool was_cut_ = false;
};

// Puts the file `from` in the place of `to`, both on one file system: by a link, so nothing is durable before
// Mirror::sync().  After a kill in between `to` is missing.  Throws Io.
void put_in_place(const std::string& from, const std::string& to);
// Removes a file and then the folders above it that are empty, up to `root`, which stays.
void remove_with_parents(const std::string& path, const std::string& root);

}  // namespace bk::client
