// A regular file in the making, filled by several threads.
//
// It is made when its first bytes come, and finished, metadata and all, by whoever brings the last ones: a
// small file is opened, written and closed in one go.  Until then it is its maker's alone, with the time of
// its making.  What cannot be had of it spoils it, and what the system refuses of it ends it: then nothing of
// it is left, since half a file must not look like a whole one.
#pragma once

#include "common/io/bulk.h"
#include "common/io/fd.h"
#include "common/restore/earlier_file.h"
#include "common/restore/report.h"
#include "common/restore/sink.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bk {

// A directory of the tree that is open for making entries.
struct RestoredDirectory {
  Fd fd;
  std::string path;     // below the destination, with a '/' behind each component
  bool is_top = false;  // the destination itself, which is not ours
  // Refused by the system, and so is all below; no `fd` then.
  [[nodiscard]] bool is_missing() const { return !fd; }
};

// What all files of a restore share.
struct RestoreShared {
  std::string destination;  // its path, for messages
  RestoreReport& report;
  std::size_t most_open = 256;  // unfinished files beyond these are closed between their writes
  std::size_t id_bytes = 32;    // how much of RestorePlace::id is known
  bool goes_on = false;         // what stands there was left by a cut restore of the same tree
  std::atomic<std::size_t> open{0};
};

// Bytes and where they belong in the file.
struct FileRun {
  std::uint64_t offset = 0;
  std::string_view bytes;
};

class RestoredFile {
 public:
  RestoredFile(std::shared_ptr<const RestoredDirectory> directory, const Entry& entry, RestoreShared& shared);
  ~RestoredFile();

  // More is going to come: inline bytes, and so many by put() or settle().
  void expect(FilePart part);
  // Writes, and counts the bytes as settled.  Throws Protocol for more than expected or beyond the size, Io.
  void put(std::span<const FileRun> runs);
  // With `goes_on`: which of these places (of a window, in the order of offsets) hold their bytes already;
  // they are settled.
  [[nodiscard]] std::vector<bool> keep(std::span<const RestorePlace> places, std::string& buffer);
  // Counts bytes that were not written; with 0: finishes what needs no content.
  void settle(std::uint64_t bytes);
  void spoil(const std::string& reason);
  [[nodiscard]] bool finished();
  // Why the backup has no such file; "" when all is well.  Once it is finished.  What the system refused is
  // in the report.
  [[nodiscard]] const std::string& damage() const { return damage_; }
  [[nodiscard]] std::string path() const { return directory_->path + entry_.name; }

 private:
  [[nodiscard]] std::string shown() const;
  void open();
  void make();
  [[nodiscard]] Fd reopen(int flags) const;
  [[nodiscard]] std::optional<EarlierFile> earlier();
  void fill_gaps();
  void complete();
  void close_for_now();
  void write(std::uint64_t offset, std::string_view bytes);
  void write_inlines();
  void require_announced(std::uint64_t bytes) const;
  void count(std::uint64_t bytes);
  void finish();
  void abandon();
  [[nodiscard]] bool is_lost() const { return !damage_.empty() || refused_ != 0; }
  template <class Body>
  void or_refuse(Body&& body);

  std::mutex mutex_;
  std::shared_ptr<const RestoredDirectory> directory_;
  Entry entry_;  // without content
  RestoreShared& shared_;
  Fd fd_;
  bool made_ = false, finished_ = false, continues_ = false;
  std::uint64_t device_ = 0, inode_ = 0;  // known once it was closed
  std::uint64_t left_ = 0;                // bytes to come in the windows known so far
  std::uint64_t end_ = 0;                 // of what was written
  // Made by an earlier restore; then `known_` is what was compared or written.
  bool earlier_ = false, writable_ = false, shared_names_ = false;
  ByteRanges known_;
  WriteBehind behind_;  // of a large file
  std::vector<std::pair<std::uint64_t, std::string>> inlines_;
  std::string damage_;
  int refused_ = 0;  // errno
};

}  // namespace bk
