// One pax archive of a folder, for modules whose data is a set of files that belong together.
#pragma once

#include "common/digest/sha256.h"

#include <cstdint>
#include <string>
#include <vector>

namespace bk::client {

struct MadeArchive {
  std::string path;  // <spool>/<64 hex digits of its SHA-256>, durable
  std::uint64_t bytes = 0;
  Digest sha256;
  std::uint64_t entries = 0;
  // "unreadable <percent path>", "changed <percent path>" (content may mix versions): no silent hole.
  std::vector<std::string> skipped;
};

// Walks `folder` by descriptors, never through a symlink.  Entries are named by the folder's own name and
// what lies below it, in byte order, folders before their content.  Vanished entries and sockets are left
// out. Throws Io when the folder itself cannot be read or the archive cannot be written; nothing is left
// then.
[[nodiscard]] MadeArchive archive_folder(const std::string& folder, const std::string& spool);

}  // namespace bk::client
