// The two options of authorized_keys(5) that a key's line may carry, because they only narrow.  Pure.
#pragma once

#include "server/access/key.h"

#include <string_view>

namespace bk::server {

// `text` is what stands before the key's type: `from="…"`, `expiry-time="…"`, joined by a comma.  Throws
// Config with the reason: any other option, one that comes twice, a value that sshd would not take or not
// understand as meant.
[[nodiscard]] KeyLimits parse_key_limits(std::string_view text);

// `,from="…",expiry-time="…"` as authorized_keys wants it; empty without limits.
[[nodiscard]] std::string render_key_limits(const KeyLimits& limits);

// True when the key certainly works no more at `moment`, "YYYYMMDDHHMMSS".
[[nodiscard]] bool is_expired(const KeyLimits& limits, std::string_view moment);

}  // namespace bk::server
