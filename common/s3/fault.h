// What an object store's answer says: facts from headers, errors as people can act on them.  Pure.
#pragma once

#include "common/error/error.h"
#include "common/http/http.h"
#include "common/s3/s3.h"

#include <cstdint>
#include <string>

namespace bk::s3 {

// Throws Protocol for a length that is none.
[[nodiscard]] ObjectFacts facts_of(const http::Response& response);
// Where a 206 begins; 0 for any other answer.
[[nodiscard]] std::uint64_t range_begin(const http::Response& response);

struct Failed {
  std::string doing;  // "GET s3://bucket/…"
  int status = 0;
  Fault fault;
  std::string access_key, region, endpoint, bucket, server_time, credentials_file;
};
// The kind and one line that says what to do.
[[nodiscard]] Error fault_error(const Failed& failed);

// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110); nothing for anything else.
[[nodiscard]] std::optional<Timestamp> parse_http_date(std::string_view text);

}  // namespace bk::s3
