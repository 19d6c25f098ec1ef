// What an object store answers in XML, through expat: bounded, without document types and entities of its
// own.
#pragma once

#include "common/time/time.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bk::s3 {

struct ListedKey {
  std::string key;  // bytes
  std::uint64_t bytes = 0;
  std::string etag;  // without its quotes
  Timestamp modified;
  std::string storage_class;  // "" when not said
};

inline constexpr std::size_t kMaxKeyBytes = 1024;      // S3's own limit
inline constexpr std::size_t kMaxListedKeys = 10'000;  // S3 answers 1,000 at most

struct Listing {
  std::vector<ListedKey> keys;
  bool truncated = false;
  std::string next_token;
};
// The answer of ListObjectsV2.  Throws Protocol: not XML, not a listing, a key that is empty or too long, a
// number that is none, truncated without a token.
[[nodiscard]] Listing parse_listing(std::string_view xml);

// The body of a status above 299.  Fields are empty when the body is something else; never throws Error.
struct Fault {
  std::string code, message;
  std::string region;  // where the store says that the bucket is
};
[[nodiscard]] Fault parse_fault(std::string_view xml);

// The UploadId of CreateMultipartUpload's answer.  Throws Protocol.
[[nodiscard]] std::string parse_upload_id(std::string_view xml);
// The ETag in CompleteMultipartUpload's answer, without its quotes; "" when there is none.  Throws Protocol.
[[nodiscard]] std::string parse_completed(std::string_view xml);

}  // namespace bk::s3
