// The folder that something is restored into: absent, empty, or confirmed, or one that a cut restore left;
// with EXPORT.txt, its list, at the end, and UNFINISHED.txt until then.
#pragma once

#include "common/error/error.h"
#include "common/io/fd.h"
#include "common/restore/export_list.h"

#include <cstdint>
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
  // What the constructor would say, without making anything.  Throws as it does.
  static void check(const std::string& path, const Manner& manner);
  // Whether a cut restore of this user left the folder: the same command goes on there.
  [[nodiscard]] static bool is_unfinished(const std::string& path);

  // Makes the folder itself when it is absent: a misspelt parent is an error, not a new tree.  Throws Usage
  // when it is no folder, or not empty and neither `force` nor unfinished; Transient when another restore is
  // at work there; Io.
  Destination(std::string path, Manner manner);
  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const std::string& path() const { return path_; }
  // Before anything of the entry is made; durably noted.  True: an earlier run began it.  Throws Usage when
  // what was cut here is another snapshot, Io when something else has its name.
  [[nodiscard]] bool begin(const ExportedEntry& entry);
  // A warning when files of so many bytes and such a number are more than is free; else "".  Their holes and
  // further names are counted, too: what it warns of may fit.
  [[nodiscard]] std::string lack_of_room(std::uint64_t bytes, std::uint64_t files) const;
  void add(const ExportedEntry& entry);
  // Everything below is durable, then the list, when it returns (with `sync`).  So an export with its list is
  // complete.
  void finish();

 private:
  std::string path_;
  bool sync_;
  Fd fd_;
  std::vector<ExportedEntry> list_;   // first what an earlier export into the same folder listed
  std::vector<ExportedEntry> begun_;  // by a run that was cut, and by this one
  std::size_t next_ = 0;              // of begun_
};

// The same with a hint how to go on, for what cuts a restore.
[[nodiscard]] Error with_hint(const Error& error);

}  // namespace bk
