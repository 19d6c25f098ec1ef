// Recreates a tree on the local file system, exactly, safely and with all cores.
//
// The owner's thread makes directories and hands the groups to a few threads, which decode them, hash every
// chunk, make the files, write them and set their metadata.  What needs its surroundings to be complete comes
// when its window is: symlinks and devices behind all regular files, hard links behind these, then the
// metadata of the directories that were left, innermost first.  Setuid bits and capabilities come with a
// file's owner, and until the very end only this user can look into the tree.
//
// Safe against names from a damaged or hostile backup and against links planted in the destination: every
// name is one component, everything is made new (O_EXCL) below descriptors that were opened here, and no
// symlink is ever followed.  Memory: two windows and the groups in the queue.
//
// What the system refuses of an entry (as a plain user: owners, devices, trusted attributes; a name that this
// file system cannot hold) goes into the report and the work goes on; what would meet every entry, a full
// disk, throws Io.  A name that is no component throws Corrupt; a caller that does not keep the order of
// sink.h, Protocol.
#pragma once

#include "common/restore/directory_stack.h"
#include "common/restore/pool.h"
#include "common/restore/report.h"
#include "common/restore/sink.h"
#include "common/restore/window.h"

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace bk {

struct RestoreOptions {
  unsigned threads = 0;       // 0: as many as there are cores, 2 to 4
  std::size_t id_bytes = 32;  // how much of RestorePlace::id is known
  // An earlier restore of the same tree to the same place was cut.  Files are compared, chunk by chunk: what
  // is right stays, the rest is written; links and special files are made anew.
  bool goes_on = false;
  // A chunk whose bytes were wrong, from somewhere else; nothing, and `why`, when there is no other.
  std::function<std::optional<std::string>(const ChunkId&, std::string& why)> again;
};

class TreeRestorer final : public RestoreSink {
 public:
  // A path below the destination of which nothing was left, and why.  Called in the owner's calls only.
  using Damaged = std::function<void(const std::string& path, const std::string& reason)>;
  // Works below `destination`, an open directory that stays the caller's; `shown` is its path in messages.
  TreeRestorer(int destination, const std::string& shown, RestoreReport& report, Damaged damaged,
               RestoreOptions options = {});
  ~TreeRestorer() override;

  void enter(const Entry& directory) override;
  void leave() override;
  void file(const Entry& entry, FilePart part) override;
  void more(FilePart part) override;
  void special(const Entry& entry) override;
  void link(const std::string& existing, const Entry& entry) override;
  void damaged(std::uint64_t file, std::uint64_t bytes, const std::string& reason) override;
  void group(EncodedGroup group, std::vector<RestorePlace> places) override;
  void end_window() override;
  [[nodiscard]] bool may_keep() const override { return options_.goes_on; }
  [[nodiscard]] std::vector<bool> keep(const std::vector<RestorePlace>& places) override;

  // Everything is written when it returns (nothing is synced).  Throws Protocol when something is unfinished.
  void finish();

 private:
  void plan(std::shared_ptr<RestoredFile> file, FilePart part);
  void send_bare();
  void complete_first();
  void close_file(RestoredFile& file, const RestoreWindow& window);
  void try_again(RestoreWindow& window);
  // late_entries.cc
  [[nodiscard]] int make_over(const std::function<int()>& make, int directory, const std::string& name) const;
  void make_special(const PendingEntry& pending);
  void make_link(const PendingEntry& pending);
  void copy(const PendingEntry& pending, int from);

  RestoreShared shared_;
  Damaged damaged_;
  RestoreOptions options_;
  int destination_;
  DirectoryStack stack_;
  std::uint64_t files_ = 0;                   // numbers given so far
  std::shared_ptr<RestoredFile> unfinished_;  // continues in the next window
  std::unique_ptr<RestoreWindow> window_;     // the one that is coming
  std::deque<std::unique_ptr<RestoreWindow>> running_;
  std::vector<std::shared_ptr<RestoredFile>> bare_;  // that need no group
  // Of the last hard link's target.
  std::string link_folder_;
  Fd link_folder_fd_;
  TaskPool pool_;  // last: its threads end first
};

}  // namespace bk
