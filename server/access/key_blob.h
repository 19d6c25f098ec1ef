// The inside of a public key: RFC 4253 section 6.6, RFC 5656 section 3.1, RFC 8709, OpenSSH's PROTOCOL.u2f.
// Pure.
#pragma once

#include <string_view>

namespace bk::server {

// Throws Config with the reason: `type` is none that is accepted here, or `blob` is no key of it.
void check_key_blob(std::string_view type, std::string_view blob);

// True for a type that check_key_blob knows.
[[nodiscard]] bool is_key_type(std::string_view type);

}  // namespace bk::server
