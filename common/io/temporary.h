// Files in the making: each is locked by whoever writes it, so what a killed process left can be told from
// what a living one still needs, and goes.
#pragma once

#include "common/io/fd.h"

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

namespace bk {

// What the durable functions of file.h call their temporary files: ".tmp-" and 16 hex digits.
inline constexpr std::string_view kTemporaryPrefix = ".tmp-";
[[nodiscard]] bool is_temporary_name(std::string_view name);

// A new, empty file that this process owns until the descriptor is closed.  Keep it open until the file has
// its final name.  Nothing when the name is taken, or was taken for a leftover meanwhile: use another.
[[nodiscard]] std::optional<Fd> try_create_owned(const std::string& path, mode_t mode = 0600);

// A new, empty file without a name: it is gone with the descriptor, whatever kill.  Throws Io.
[[nodiscard]] Fd make_unnamed(const std::string& directory);

// Removes the file when no living process owns it; true when it did.  Never throws: what cannot be opened or
// removed (another user's, a read-only disk) stays.  Not durable: a leftover is harmless and goes another
// time.
bool remove_abandoned(const std::string& path) noexcept;
// The same for every file of a folder that has such a name; how many went.  A missing folder has none.
std::size_t remove_abandoned_in(const std::string& folder);

}  // namespace bk
