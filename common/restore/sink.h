// What a restored tree is made of, in the order in which a walk finds it; the seam between those who read a
// backup (bkdb, a stream from a server) and those who write it (the local file system, a stream to a client).
//
// A tree comes in windows.  A window is some entries, then the groups that hold the content of their files,
// in the order in which they lie on the disk, then end_window().  So content is read once and in order, while
// entries come in the order of names, and nobody remembers more than a window or two.
//
//   enter(dir)  file(0)  file(1)  leave()        group{0,1}  group{1}  end_window()
//
// One thread.  What a sink cannot do it throws; what it may not keep it reports (RestoreReport).
#pragma once

#include "common/chunk/chunk_id.h"
#include "common/compress/group.h"
#include "common/tree/entry.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace bk {

// Where some bytes of a group belong.  Neighbours with the same `begin` are one chunk in several places.
struct RestorePlace {
  std::uint32_t begin = 0, bytes = 0;  // in the group's content; one whole chunk
  std::uint64_t file = 0;              // its number: files are counted from 0 in the order of file()
  std::uint64_t offset = 0;            // in the file
  ChunkId id{};                        // what the bytes must hash to; a stream sends the first half only
};

// What a window holds of one file.  Holes are what is never mentioned.
struct FilePart {
  std::vector<std::pair<std::uint64_t, std::string>> inlines;  // offset, bytes
  std::uint64_t placed_bytes = 0;  // what this window's groups will hold of it: the sum over its places
  bool continues = false;          // more of it comes in the next window; it is this window's last file
};

// The most that a window may hold: what the receiving side keeps in memory.
struct WindowLimits {
  static constexpr std::size_t kEntries = 16384;             // files, symlinks, links …
  static constexpr std::size_t kDirectories = 1024;          // entered or left
  static constexpr std::size_t kPlaces = 16384;              // of chunks
  static constexpr std::uint64_t kBytes = 256U << 20U;       // of placed content, but for the last chunk
  static constexpr std::size_t kAttributeBytes = 4U << 20U;  // names, targets, xattrs, inline content
};

// What an entry counts against kAttributeBytes, besides inline content.
[[nodiscard]] inline std::size_t attribute_bytes(const Entry& entry) {
  std::size_t bytes = entry.name.size() + entry.target.size();
  for (const Xattr& attribute : entry.xattrs) bytes += attribute.name.size() + attribute.value.size();
  return bytes;
}

class RestoreSink {
 public:
  virtual ~RestoreSink() = default;
  virtual void enter(const Entry& directory) = 0;
  virtual void leave() = 0;
  virtual void file(const Entry& entry, FilePart part) = 0;  // the entry's content is not looked at
  // Of the window's first file when the window before ended with continues.
  virtual void more(FilePart part) = 0;
  // A symlink, FIFO, socket or device.
  virtual void special(const Entry& entry) = 0;
  // Another name of what was made at `existing`, a path from the tree's root on (which has its name in it).
  virtual void link(const std::string& existing, const Entry& entry) = 0;
  // So many placed bytes of the file will not come: they cannot be had.  Nothing of it may be left.
  virtual void damaged(std::uint64_t file, std::uint64_t bytes, const std::string& reason) = 0;
  virtual void group(EncodedGroup group, std::vector<RestorePlace> places) = 0;
  virtual void end_window() = 0;

  // Whether content may be there already, because an earlier restore was cut.  Then keep() is called once in
  // each window that places anything, before its groups.
  [[nodiscard]] virtual bool may_keep() const { return false; }
  // All places of the window, in the order of files and offsets; `begin` is not known yet.  True for each
  // whose bytes are there, read and compared: they must not come.
  [[nodiscard]] virtual std::vector<bool> keep(const std::vector<RestorePlace>& places) {
    return std::vector<bool>(places.size());
  }
};

}  // namespace bk
