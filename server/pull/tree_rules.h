// What a tree's backup leaves out, where the server walks the tree itself; with an agent the client's own
// backupconfig.toml says so.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bk::pull {

struct TreeRules {
  std::vector<std::string> exclude;             // patterns (common/path/pattern.h); left out without a word
  std::vector<std::string> exclude_if_present;  // names; a directory that has one keeps only that entry
  bool exclude_caches = false;                  // the same for CACHEDIR.TAG, when it has its signature
  bool one_file_system = false;                 // a directory of another file system stays empty
  std::uint64_t max_file_bytes = UINT64_MAX;    // longer files are listed as skipped
  bool operator==(const TreeRules&) const = default;
};

}  // namespace bk::pull
