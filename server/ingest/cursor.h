// How far a control repository was ingested: <repository>/backline/cursor.
#pragma once

#include "common/git/oid.h"

#include <optional>
#include <string>

namespace bk::server {

// Nothing when it is missing or damaged: then everything is read again, which ids make harmless.
[[nodiscard]] std::optional<git::Oid> read_cursor(const std::string& repository);
// Durable when it returns.
void write_cursor(const std::string& repository, const git::Oid& commit);

}  // namespace bk::server
