// A configuration file that somebody else may have written is not read: it names programs that run, and files
// that hold passwords.  The rule is the one of OpenSSH for its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace bk {

enum class FileOwner {
  Self,  // the user who runs this, or root; whoever is root may also use what the folder's owner wrote
  SelfOrFolder,  // for files that users of one group look into: that owner for everybody
};

// The whole file; nothing when it is missing.  Throws Config, with the path and what to do, when it belongs
// to somebody else or when others than its owner may write it; Io as read_file does.
[[nodiscard]] std::optional<std::string> try_read_own_file(const std::string& path, std::uint64_t limit_bytes,
                                                           FileOwner owner);

}  // namespace bk
