// Advisory locks on a named file (flock(2), which belongs to the open file, so threads and forks exclude each
// other).
#pragma once

#include "common/io/fd.h"

#include <optional>
#include <string>

namespace bk {

class FileLock {
 public:
  // Nothing when somebody else holds it.  The file is created when missing and never removed:
  // removing a lock file lets two processes hold "the" lock on two different inodes.
  [[nodiscard]] static std::optional<FileLock> try_exclusive(const std::string& path);
  [[nodiscard]] static std::optional<FileLock> try_shared(const std::string& path);
  // Waits.
  [[nodiscard]] static FileLock exclusive(const std::string& path);
  [[nodiscard]] static FileLock shared(const std::string& path);

 private:
  explicit FileLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

// Locks the open file itself, for as long as the descriptor lives; false when somebody else holds it.  For
// files that are renamed or removed while others may be waiting: afterwards the caller compares the
// descriptor with the name.
[[nodiscard]] bool try_lock_descriptor(int fd);

}  // namespace bk
