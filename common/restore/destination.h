// The folder that something is restored into: absent, empty, or confirmed; with EXPORT.txt, its list, at the
// end.
#pragma once

#include "common/io/fd.h"
#include "common/restore/export_list.h"

#include <string>
#include <vector>

namespace bk {

class Destination {
 public:
  struct Manner {
    bool force = false;  // a folder that is not empty will do
    bool sync =
        true;  // false: the kernel writes when it likes, and a power cut may leave a list without its files
  };
  // Makes the folder itself when it is absent: a misspelt parent is an error, not a new tree.  Throws Usage
  // when it is no folder, or not empty and not `force`; Io.
  Destination(std::string path, Manner manner);
  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const std::string& path() const { return path_; }
  void add(ExportedEntry entry) { list_.push_back(std::move(entry)); }
  // Everything below is durable, then the list, when it returns (with `sync`).  So an export with its list is
  // complete.
  void finish();

 private:
  std::string path_;
  bool sync_;
  Fd fd_;
  std::vector<ExportedEntry> list_;  // first what an earlier export into the same folder listed
};

}  // namespace bk
