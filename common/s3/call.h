// One exchange with a bucket, as s3.cc and upload.cc describe it.  Theirs alone.
#pragma once

#include "common/s3/s3.h"

namespace bk::s3 {

struct Bucket::Call {
  std::string method = "GET";
  std::string key;  // "" is the bucket itself
  Parameters parameters;
  std::map<std::string, std::string> headers;
  std::uint64_t body_bytes = 0;
  ReadAt body;  // empty: none is sent
  http::Router route;
  std::size_t answer_bytes = 64U << 10U;
  bool missing_is_fine = false;  // 404 and 412 are answers
  bool once = false;             // whoever calls tries again by itself
};

}  // namespace bk::s3
