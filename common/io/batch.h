// Several small files made durable together, with a constant number of syncs.
//
// Syncing each of 1,000 files costs seconds; one syncfs(2), all renames and one sync of each directory cost a
// fraction of that and promise the same.  Files are written below a staging folder of the same file system;
// what a crash leaves there is nobody's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bk {

class DurableBatch {
 public:
  explicit DurableBatch(std::string staging);
  ~DurableBatch();  // removes staged files that were not published
  DurableBatch(const DurableBatch&) = delete;
  DurableBatch& operator=(const DurableBatch&) = delete;

  // Writes `staging/<staged_name>` (replacing a leftover), meant for `path`.  An existing `path` is replaced
  // only when `replace` is set; otherwise publish() throws Io (EEXIST).
  void add(const std::string& staged_name, std::string_view bytes, const std::string& path, bool replace);
  // The bytes of everything added are durable when it returns.
  void sync();
  // Renames everything to its place, then syncs the directories: durable when it returns.  `step` names the
  // crash point passed after each rename.  Throws Io; files before the failing one are then in their places.
  void publish(const char* step);

 private:
  struct File {
    std::string staged, path;
    bool replace = false;
  };
  std::string staging_;
  std::vector<File> files_;
};

}  // namespace bk
