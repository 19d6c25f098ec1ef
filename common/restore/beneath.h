// Opening by a path below a directory, whatever its length, never outside of it and never through a symlink.
#pragma once

#include "common/io/fd.h"

#include <string_view>

namespace bk {

// openat2(2) with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS, piece by piece where the path is longer than one
// call takes.  `relative` has no '/' in front; an empty one is `root` itself.  O_PATH: to be looked through.
// Nothing, and errno says why.
[[nodiscard]] Fd open_directory_beneath(int root, std::string_view relative);

}  // namespace bk
