// AWS Signature Version 4 for S3, from "Authenticating Requests: Using the Authorization Header" of the
// Amazon S3 API reference.  Pure.
//
// One function builds what is signed and what is sent, so the two cannot differ: everything but
// A-Z a-z 0-9 - . _ ~ is encoded, parameters are sorted and always "key=value", and the path is never
// normalised.
#pragma once

#include "common/time/time.h"

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bk::s3 {

struct Credentials {
  std::string access_key, secret_key;
  std::string session_token;  // of temporary credentials, or ""
};

// %XX with upper-case digits; '/' stays when `keep_slash` (paths), not in parameters.
[[nodiscard]] std::string uri_encode(std::string_view bytes, bool keep_slash);
// The inverse, also for '+' as a blank; nothing for a '%' without two hex digits.
[[nodiscard]] std::string uri_decode(std::string_view text, bool& good);

using Parameters = std::vector<std::pair<std::string, std::string>>;
// Encoded, sorted, joined: both the canonical query string and the one to send.
[[nodiscard]] std::string query_string(const Parameters& parameters);

struct ToSign {
  std::string method;
  std::string host;                            // as the Host header says it
  std::string path;                            // encoded, begins with '/'
  Parameters parameters;                       // raw
  std::map<std::string, std::string> headers;  // names in lower case; "x-amz-*" and whatever shall be covered
  std::string payload_sha256;                  // hex, or "UNSIGNED-PAYLOAD"
};
inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";
inline constexpr std::string_view kEmptyPayload =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

// All headers to send but Host: the given ones, x-amz-date, x-amz-content-sha256, x-amz-security-token,
// authorization.
[[nodiscard]] std::map<std::string, std::string> sign(const ToSign& request, const Credentials& credentials,
                                                      std::string_view region, Timestamp now);

}  // namespace bk::s3
