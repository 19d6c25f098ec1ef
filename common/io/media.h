// Whether a file's own bytes are what the system could not read.
#pragma once

#include "common/error/error.h"

#include <string>

namespace bk {

// The disk or its file system does not give back what is there (EIO, and what file systems say of their own
// records: EUCLEAN, EBADMSG, ENODATA): nothing is known of those bytes, and no other file is worse for it.
[[nodiscard]] bool is_media_error(const Error& error);

// Whether it is only that nothing may be written there: a file system mounted to be read, somebody else's
// folder.
[[nodiscard]] bool is_no_right_to_write(const Error& error);

// Reads the whole file to find out.  False when it can be read, is missing, or something else is wrong.
[[nodiscard]] bool has_media_error(const std::string& path) noexcept;

}  // namespace bk
