// A folder of a site, copied beside its dump, so that both are pulled as one.
#pragma once

#include "client/modules/spool.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace bk::client {

struct CopyRules {
  // Entries left out, with all that lies in them, by path below the folder.
  std::function<bool(std::string_view relative)> leave_out;
};

struct CopiedFolder {
  std::uint64_t files = 0, kept = 0, bytes = 0;  // kept: those that the last dump had already
  // "unreadable <percent path>", "changed <percent path>": paths below the folder.
  std::vector<std::string> skipped;
};

// Copies files, folders and symlinks of `folder` to `name` in the spool's new dump, by descriptors and never
// through a symlink.  A file whose length and modification time are those of the last dump, and whose inode
// was not changed since, is kept and not read.  Permissions and modification times go along; owners where
// this process may set them.  Sockets, fifos and devices are left out, xattrs are not copied.  Called again
// for the same `name`, it brings what was changed or came meanwhile; what went meanwhile stays.  Throws Io
// when `folder` cannot be read or the spool cannot be written.
[[nodiscard]] CopiedFolder copy_folder(const std::string& folder, Spool& spool, const std::string& name,
                                       const CopyRules& rules);

}  // namespace bk::client
