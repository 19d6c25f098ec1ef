// Listings and errors of an object store that may lie: only Error of Kind::Protocol may come out, and what
// was read keeps the limits of S3.
#include "common/error/error.h"
#include "common/s3/xml.h"

#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const bk::s3::Listing listing = bk::s3::parse_listing(text);
    BK_CHECK(listing.keys.size() <= bk::s3::kMaxListedKeys);
    BK_CHECK(!listing.truncated || !listing.next_token.empty());
    for (const bk::s3::ListedKey& key : listing.keys)
      BK_CHECK(!key.key.empty() && key.key.size() <= bk::s3::kMaxKeyBytes);
  } catch (const bk::Error& error) {
    BK_CHECK(error.kind() == bk::Kind::Protocol);
  }
  (void)bk::s3::parse_fault(text);
  return 0;
}
