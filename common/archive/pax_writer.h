// Writing a pax (POSIX.1-2001 tar) archive entry by entry, through libarchive.
//
// Names, link targets and attribute values are bytes and stay bytes (raw_names.h), also for readers that know
// nothing of us: GNU tar and bsdtar take them without a word.  Times keep their
// nanoseconds, numbers their size, files their holes (but one whose name is no UTF-8 does not) and
// extended attributes.  Sockets cannot be stored.
#pragma once

#include "common/tree/entry.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace bk {

class PaxWriter {
 public:
  // Gets the archive's bytes in order; what it throws comes out of the call that was under way.
  using Sink = std::function<void(std::string_view)>;
  explicit PaxWriter(Sink sink);
  ~PaxWriter();
  PaxWriter(const PaxWriter&) = delete;
  PaxWriter& operator=(const PaxWriter&) = delete;

  // Begins an entry.  `path` is the name inside the archive, without a leading '/'.  Taken from `entry`:
  // type, mode, owner, times, size, rdev, target, xattrs, and of `content` only where the holes are. With
  // `hard_link_to`, the path of an earlier entry, it is another name of that one and has no content.
  void begin(const std::string& path, const Entry& entry, const std::string& hard_link_to = {});
  // Content of the entry just begun, holes included as zeros; in all exactly entry.size bytes.
  void write(std::string_view bytes);
  // The end of the archive.  Without it the archive is cut short, and readers notice.
  void close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bk
