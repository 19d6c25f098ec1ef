// Recreates entries on the local file system, exactly and safely.
//
//   TreeWriter writer(destination_fd, report);
//   writer.enter(directory);            // creates it below the current one and goes in
//   auto file = writer.begin_file(entry);
//   file->write(0, bytes);              // holes are what is never written
//   file->finish();                     // length, owner, attributes, mode, time
//   writer.leave();                     // the directory's own metadata, last
//   writer.sync();                      // everything durable
//
// Safe against names from a damaged or hostile backup and against links planted in the destination: every
// name is checked to be one component, everything is made by mkdirat and O_EXCL below descriptors that this
// object opened, and no symlink is ever followed.  Depth costs no recursion and a bounded number of
// descriptors; paths may be longer than PATH_MAX.
//
// What the system refuses of an entry's metadata (as a plain user: owners, devices, trusted attributes) goes
// into the report and the work goes on; what it refuses of content and names throws Io.  A name that is no
// component throws Corrupt.
#pragma once

#include "common/io/fd.h"
#include "common/restore/report.h"
#include "common/tree/entry.h"

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace bk {

// A regular file being written; independent of where its TreeWriter has moved on to.
class RestoredFile {
 public:
  ~RestoredFile() = default;
  void write(std::uint64_t offset, std::string_view bytes);
  // Sets length and metadata and closes.
  void finish();
  // Removes the file again: half a file must not look like a whole one.
  void abandon();
  [[nodiscard]] const std::string& path() const { return shown_; }

 private:
  friend class TreeWriter;
  RestoredFile(Fd fd, std::shared_ptr<Fd> directory, Entry entry, std::string shown, RestoreReport& report);
  Fd fd_;
  std::shared_ptr<Fd> directory_;
  Entry entry_;  // without content
  std::string shown_;
  RestoreReport& report_;
};

class TreeWriter {
 public:
  // Works below `destination_fd`, an open directory that stays open and is the caller's; `shown` is what
  // stands in front of paths in reports.
  TreeWriter(int destination_fd, std::string shown, RestoreReport& report);

  void enter(const Entry& directory);
  void leave();
  // `entry` is a regular file; its content fields are not used.
  [[nodiscard]] std::unique_ptr<RestoredFile> begin_file(const Entry& entry);
  // A symlink, FIFO, socket or device.  A device that may not be made is reported, not an error.
  void make_special(const Entry& entry);
  // Makes `entry` another name of what this object made at `existing` (a path() of an earlier entry).  False
  // when the system refuses: the caller writes a copy, and the report says so.
  [[nodiscard]] bool link(const std::string& existing, const Entry& entry);
  // Removes a name that this object made; a missing one is fine.
  void remove(const std::string& existing);
  // Of an entry of this name in the current directory, below the destination.
  [[nodiscard]] std::string path_of(const std::string& name) const;
  // Everything written below the destination is durable when it returns.
  void sync();

 private:
  struct Level {
    std::shared_ptr<Fd> fd;  // empty when closed to save descriptors
    Entry entry;             // without content
    dev_t device = 0;
    ino_t inode = 0;
    std::size_t path_bytes = 0;  // length of path_ before this level
  };
  [[nodiscard]] int here() const;
  [[nodiscard]] std::string shown(const std::string& name) const;
  // Opens the folder of a path below the destination; 0 or errno.  `parent` stays empty for the destination.
  [[nodiscard]] int find_parent(const std::string& path, Fd& parent, std::string& name) const;
  void reopen_parent(const Fd& child, Level& parent) const;

  int destination_fd_;
  std::string shown_;
  RestoreReport& report_;
  std::vector<Level> levels_;
  std::string path_;  // of the current directory below the destination, with a '/' behind each component
};

}  // namespace bk
