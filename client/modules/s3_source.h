// Module s3: a bucket, or what lies below a prefix of it, as a tree of the spool.
//
//   objects/…        contents, under paths that spell the keys (key_path.h); their time is the object's
//   objects.jsonl    a line for each object, sorted by key: what the store knows besides the content
//   source.json      which bucket this is
//
// An object is fetched when its ETag or size is not what it was.  What is gone in the bucket leaves the tree.
// state.db of the slot says what is whole; files are durable before their rows.
#pragma once

#include "client/modules/mirror.h"
#include "common/config/config.h"
#include "common/s3/s3.h"
#include "common/time/time.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace bk::client {

// A file that describes a bucket; every key: docs/modules/s3.md.
struct S3Source {
  s3::Settings settings;
  std::string prefix;
  std::size_t parallel = 8;  // objects fetched at once
};
// Throws Config.  `home` is where a relative credentials file lies.
[[nodiscard]] S3Source parse_s3_source(std::string_view text, const std::string& file,
                                       const std::string& home);
[[nodiscard]] S3Source load_s3_source(const std::string& file, const std::string& home);

// The keys of one bucket (endpoint, region, bucket, path_style, ca_file, credentials, profile) below `above`.
[[nodiscard]] s3::Settings s3_settings_of(const Config& config, std::vector<std::string_view> above,
                                          const std::string& home);
// A path that a configuration names, from `home` when it is relative; "" stays.
[[nodiscard]] std::string beside_home(const std::string& home, const std::string& path);

struct S3Report {
  std::uint64_t listed = 0, fetched = 0, fetched_bytes = 0, removed = 0, unchanged = 0;
  std::uint64_t skipped_count = 0;
  std::vector<std::string> skipped;  // "archived <percent key>", "denied …", "damaged …", "long-name …"; some
};
// Makes the slot's tree what the bucket is.  An object that cannot be had is skipped, and what was saved of
// it before stays.  Throws what keeps the rest from being looked at, too; what was done until then is kept
// for the next run.
[[nodiscard]] S3Report save_bucket(const S3Source& source, const Mirror& mirror, const Clock& clock);

struct S3Restored {
  std::uint64_t put = 0, there = 0;  // there: the bucket has that content already
};
// Puts what a tree of save_bucket() holds into the bucket that `source` describes: contents, content type and
// the other headers, metadata.  Nothing else in the bucket is touched.  Throws.
[[nodiscard]] S3Restored restore_bucket(const S3Source& source, const std::string& tree, const Clock& clock);

}  // namespace bk::client
