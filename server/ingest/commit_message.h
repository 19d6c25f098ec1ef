// What a client says in the message of a request commit (docs/protocol/control.md).  Pure.
#pragma once

#include "common/git/oid.h"

#include <optional>
#include <string_view>

namespace bk::server {

// The commit of refs/heads/receipts that the client has read and made durable; nothing for "none", for a
// message without the line and for anything that is no object name.
[[nodiscard]] std::optional<git::Oid> confirmed_receipts(std::string_view message);

}  // namespace bk::server
