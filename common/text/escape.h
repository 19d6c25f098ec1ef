// Bytes that strangers choose, made safe for a line of text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace bk {

// For messages, logs and terminals: "…" around the text; bytes outside printable ASCII, quote and backslash
// as C escapes.
[[nodiscard]] std::string quoted(std::string_view bytes);

// For our text formats: bytes outside 0x21..0x7e, and '%', become %XX (upper-case hex).  A space is %20.
[[nodiscard]] std::string percent_encode(std::string_view bytes);
// The exact inverse; nothing when the text is not what percent_encode would have written.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text);

// Base64 with the URL-safe alphabet and padding (RFC 4648 section 5).
[[nodiscard]] std::string base64url_encode(std::string_view bytes);
// Nothing unless the text is canonical: right alphabet, right padding, unused bits zero.
[[nodiscard]] std::optional<std::string> base64url_decode(std::string_view text);

[[nodiscard]] std::string hex_encode(std::string_view bytes);  // lower case
[[nodiscard]] std::optional<std::string> hex_decode(std::string_view text);

}  // namespace bk
