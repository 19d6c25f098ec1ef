// What is known to be damaged in packs: chunks there count as absent for those who write, so the next backup
// brings them again.  And which snapshots suffer: a pull that compares with one of them believes no digest of
// a directory, and looks whether what it takes over is there.
//
// `index/damaged`: text, replaced as a whole; lost with the index, and found again by the next verify.
#pragma once

#include "server/store/layout.h"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace bk::store {

class DamageList {
 public:
  explicit DamageList(std::string path) : path_(std::move(path)) {}
  // Takes up what other processes noted; cheap when nothing changed.  A damaged list, one that cannot be
  // read or is larger than any that was written counts as empty.
  void refresh();
  [[nodiscard]] bool empty() const { return places_.empty(); }
  [[nodiscard]] bool covers(std::uint64_t pack, std::uint64_t offset) const;
  [[nodiscard]] bool suffers(const std::string& snapshot) const { return snapshots_.contains(snapshot); }
  // Puts these in place of what is known of those packs; durable on return.
  void note(const std::set<std::uint64_t>& packs, const std::vector<DamagedPlace>& places);
  // Adds snapshots that suffer.
  void note_snapshots(const std::vector<std::string>& snapshots);
  [[nodiscard]] std::vector<DamagedPlace> places() const;

 private:
  void parse(const std::string& text);
  struct Range {
    std::uint64_t from = 0, to = 0;
  };
  [[nodiscard]] static Range hull(const std::vector<Range>& ranges);
  [[nodiscard]] std::string text() const;
  void save();
  std::string path_;
  std::map<std::uint64_t, std::vector<Range>> places_;
  std::set<std::string> snapshots_;
  // Of the file when it was read: an inode's number alone comes again with the next but one.
  struct Version {
    std::uint64_t inode = 0, bytes = 0;
    std::int64_t seconds = 0, nanoseconds = 0;  // of its last change
    bool operator==(const Version&) const = default;
  };
  [[nodiscard]] Version version() const;
  Version seen_;
};

}  // namespace bk::store
