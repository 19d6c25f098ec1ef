// Which entries of one snapshot are names of the same file.
//
// Joined by (device, inode) of the client and by everything that names of one file must share; a mismatch
// means that the inode was reused during the backup.  Memory: some megabytes, the rest on the disk.
#pragma once

#include "common/spill/disk_map.h"
#include "common/tree/entry.h"

#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>

namespace bk::bkdb {

class HardLinks {
 public:
  // Where the first name of this entry's file was made; nothing when this is the first, or it has one name
  // only.
  [[nodiscard]] std::optional<std::string> find(const Entry& entry) {
    if (entry.links < 2) return std::nullopt;
    return first_.get(key(entry));
  }
  // Remembers `path` as the first name; nothing is kept for entries with one name.
  void add(const Entry& entry, const std::string& path) {
    if (entry.links > 1) (void)first_.insert(key(entry), path);
  }

 private:
  static std::string key(const Entry& e) {
    const std::uint64_t numbers[] = {e.device,
                                     e.inode,
                                     static_cast<std::uint64_t>(e.type),
                                     e.size,
                                     static_cast<std::uint64_t>(e.mtime.seconds),
                                     e.mtime.nanoseconds};
    std::string out(sizeof numbers, '\0');
    std::memcpy(out.data(), numbers, sizeof numbers);
    return out;
  }
  static std::string folder() {
    const char* given = std::getenv("TMPDIR");
    return given != nullptr && *given == '/' ? given : "/var/tmp";
  }
  DiskMap first_{folder()};
};

}  // namespace bk::bkdb
