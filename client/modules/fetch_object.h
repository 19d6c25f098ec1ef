// One object of a bucket into a file, whole and checked; goes on with what is there in part.
#pragma once

#include "common/digest/hasher.h"
#include "common/s3/s3.h"

#include <optional>
#include <string>

namespace bk::client {

struct Wanted {
  std::string key;
  std::string etag;  // the content that shall be fetched; "" for whatever is there
  // What the content must be besides what the store says of it: a digest in lower-case hex.
  std::optional<HashKind> hash;
  std::string digest;
};

struct Fetched {
  enum class State {
    Whole,    // in the file, every check held
    Gone,     // no such key, or another content than `etag` by now
    Damaged,  // came twice, and differs from the store's own digest or from `digest`
  } state = State::Gone;
  s3::ObjectFacts facts;
  std::string why;  // when damaged
};

// Fetches into `file` (made, or gone on with when `etag` says which content it holds a part of).  Compares
// the length, the ETag where it is an MD5, the store's SHA-256 or SHA-1 where it gives one, and `digest`.
// Nothing is durable.  Throws as s3::Bucket, Io.
[[nodiscard]] Fetched fetch_object(s3::Bucket& bucket, const Wanted& wanted, const std::string& file);

}  // namespace bk::client
