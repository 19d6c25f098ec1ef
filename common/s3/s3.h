// One bucket of an S3 object store: AWS, Ceph RGW, Swift's s3api, MinIO and the like.
//
//   Bucket bucket(settings, clock);
//   bucket.list("photos/", [&](const ListedKey& key) { … });
//   bucket.get(key, {}, sink);
//
// Cut lines, time-outs and the statuses 429, 500, 502, 503, 504 are tried again with growing waits; a get()
// goes on where it was cut, and only with the same object (If-Match).  Memory is bounded by a page of 1,000
// keys.  Errors: Transient (it may work later), Refused (wrong secret, denied), Config (endpoint, region,
// clock), NotFound (no such bucket or key), Protocol.  Messages never hold a secret.
//
// A Bucket belongs to one thread.
#pragma once

#include "common/http/http.h"
#include "common/s3/sigv4.h"
#include "common/s3/xml.h"
#include "common/time/time.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace bk::s3 {

struct Settings {
  std::string endpoint;  // "https://host[:port]"; "" for https://s3.<region>.amazonaws.com
  std::string region = "us-east-1";
  std::string bucket;
  bool path_style = true;  // endpoint/bucket/key; else bucket.host/key
  Credentials credentials;
  std::string credentials_file;               // where they stand: for messages; "" for nothing to say
  std::string ca_file;                        // "" for the system's authorities
  int attempts = 5;                           // of each exchange, 1 or more
  std::chrono::milliseconds first_wait{200};  // before the second attempt; doubled before each further one
  std::function<void(std::chrono::milliseconds)> sleep;  // "" for the thread's own
  http::Limits limits;
  std::uint64_t part_bytes = 64U << 20U;  // what is longer goes up in parts; stores take 5 MiB to 5 GiB
};

// [profile] of a file as the AWS tools keep it: aws_access_key_id, aws_secret_access_key, aws_session_token,
// and `region` when it stands there.  Pure; `file` is for messages.  Throws Config.
struct Profile {
  Credentials credentials;
  std::string region;
};
[[nodiscard]] Profile parse_profile(std::string_view text, const std::string& file,
                                    const std::string& profile);
// Throws Config when it cannot be read, is larger than 1 MiB, or may be read by others than its owner's
// group.
[[nodiscard]] Profile load_profile(const std::string& file, const std::string& profile);

struct ObjectFacts {
  std::uint64_t bytes = 0;  // of the whole object
  std::string etag;         // without quotes
  std::string version;      // "" where the bucket keeps none
  std::string content_type, content_encoding, content_disposition, content_language, cache_control, expires;
  std::string storage_class, encryption;         // x-amz-storage-class, x-amz-server-side-encryption
  std::map<std::string, std::string> metadata;   // x-amz-meta-*, names in lower case
  std::map<std::string, std::string> checksums;  // "sha256", "sha1" …: base64, of the whole object only
  Timestamp modified;
  // The MD5 of the content in lower-case hex, where the ETag is one: 32 hex digits, not a multipart upload's,
  // not encrypted with a key that makes it something else.
  [[nodiscard]] std::string md5() const;
};

struct Get {
  std::uint64_t offset = 0;  // goes on from here
  std::string etag;          // only this content; "" for whatever is there
  std::function<void(const ObjectFacts&)>
      facts;  // told before the first byte, if wanted; maybe several times
};

class Bucket {
 public:
  Bucket(Settings settings, const Clock& clock);
  ~Bucket();

  // Every key that begins with `prefix`, in the store's order.  `visit` may stop it by returning false.
  void list(const std::string& prefix, const std::function<bool(const ListedKey&)>& visit);
  // One page, from `token` ("" for the first).
  [[nodiscard]] Listing list_page(const std::string& prefix, const std::string& token, int most = 1000);
  // Nothing when there is no such key.
  [[nodiscard]] std::optional<ObjectFacts> head(const std::string& key);
  // The content from the offset to the end, in order, while it comes.  Nothing when there is no such key, or
  // `etag` is not its content any more.
  [[nodiscard]] std::optional<ObjectFacts> get(const std::string& key, const Get& what,
                                               const http::Sink& sink);

  // What a new object shall be besides its content.
  struct Describe {
    std::string content_type;
    std::map<std::string, std::string> headers;  // content-encoding … and x-amz-meta-*, names in lower case
  };
  // `read` gives bytes at an offset, so an attempt can be made again.  What is longer than a part goes up in
  // parts (each tried again by itself, at most 10,000) and is there whole or not at all; up to 5 TiB. Answers
  // the ETag, which was compared with what was sent where the store makes it of that: else throws Corrupt.
  using ReadAt = std::function<std::size_t(std::uint64_t offset, char* into, std::size_t size)>;
  std::string put(const std::string& key, std::uint64_t bytes, const ReadAt& read, const Describe& describe);
  std::string put(const std::string& key, std::string_view bytes, const Describe& describe = {});
  // The ETag that put() gets for this content where the store makes it of that.
  [[nodiscard]] std::string etag_of(std::uint64_t bytes, const ReadAt& read) const;
  // A missing key is fine.
  void remove(const std::string& key);
  // True when it was made, false when it is there and ours.
  bool make();

  // "s3://bucket" and where it is, for messages.
  [[nodiscard]] std::string shown() const;

 private:
  struct Call;
  [[nodiscard]] http::Response exchange(const Call& call);
  [[nodiscard]] http::Response attempt(const Call& call);
  [[noreturn]] void refuse(const Call& call, const http::Response& response) const;
  void wait(int attempt) const;
  std::string put_whole(const std::string& key, std::uint64_t bytes, const ReadAt& read,
                        const Describe& describe);
  std::string put_in_parts(const std::string& key, std::uint64_t bytes, const ReadAt& read,
                           const Describe& describe);
  std::string put_part(const std::string& key, const std::string& upload, std::uint64_t number,
                       std::uint64_t bytes, const ReadAt& read, std::string& digests);
  std::string complete(const std::string& key, const std::string& upload, const std::string& parts,
                       const std::string& wanted);

  Settings settings_;
  const Clock& clock_;
  http::Http http_;
  std::string origin_, host_, base_;  // "https://host:9000", what Host says, path before "/key"
};

}  // namespace bk::s3
