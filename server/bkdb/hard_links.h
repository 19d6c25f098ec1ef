// Which entries of one snapshot are names of the same file.
//
// Joined by (device, inode) of the client and by everything that names of one file must share; a mismatch
// means that the inode was reused during the backup.  Memory: one record for each file with several names,
// until all of them were seen.
#pragma once

#include "common/tree/entry.h"

#include <map>
#include <string>
#include <tuple>

namespace bk::bkdb {

class HardLinks {
 public:
  // Where the first name of this entry's file was made; nothing when this is the first, or it has one name
  // only.
  [[nodiscard]] const std::string* find(const Entry& entry) {
    if (entry.links < 2) return nullptr;
    const auto at = first_.find(key(entry));
    if (at == first_.end()) return nullptr;
    if (--at->second.left > 0) return &at->second.path;
    last_path_ = std::move(at->second.path);  // all names were seen
    first_.erase(at);
    return &last_path_;
  }
  // Remembers `path` as the first name; nothing is kept for entries with one name.
  void add(const Entry& entry, std::string path) {
    if (entry.links > 1) first_[key(entry)] = {std::move(path), entry.links - 1};
  }

 private:
  using Key = std::tuple<std::uint64_t, std::uint64_t, EntryType, std::uint64_t, Timestamp>;
  static Key key(const Entry& e) { return {e.device, e.inode, e.type, e.size, e.mtime}; }
  struct First {
    std::string path;
    std::uint64_t left = 0;  // names still to come
  };
  std::map<Key, First> first_;
  std::string last_path_;
};

}  // namespace bk::bkdb
