// The content of files with several names, so that it is read once: (device, inode) -> what was stored.
// Every one that was stored is remembered; the table spills.
#pragma once

#include "common/spill/disk_map.h"
#include "common/tree/entry.h"

#include <cstdint>
#include <string>

namespace bk::pull {

class LinkTable {
 public:
  // `directory`: where it may spill.
  explicit LinkTable(std::string directory) : known_(std::move(directory)) {}
  // Fills content and attributes of `entry` from another name of the same file, when that was stored and the
  // file has not changed since.
  [[nodiscard]] bool fill(Entry& entry);
  // Remembers a stored file that has several names.
  void remember(const Entry& entry);

 private:
  DiskMap known_;
};

// The key of a table by inode.
[[nodiscard]] std::string inode_key(std::uint64_t device, std::uint64_t inode);

// The same size, mtime, ctime and inode: the content is the one we have (ctime cannot be set by anybody).
[[nodiscard]] bool same_content(const Entry& stored, const Entry& now);

}  // namespace bk::pull
